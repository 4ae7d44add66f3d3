"""The usual names of columns, in the languages in which people export logs.

Names are compared after ``plain``: without case, accents, spaces and punctuation. The likeliest
of a list come first.
"""

from __future__ import annotations

import re
import unicodedata

_TYPED = re.compile(r":(token|token_seq|float|float_seq)$")

RATINGS = """
    rating ratings score scores stars star overall starrating bookrating userrating reviewscore reviewrating
    reviewsrating mark grade
    bewertung bewertungen sterne sternebewertung punktzahl
    evaluation etoiles notation
    calificacion puntuacion valoracion estrellas nota
    voto valutazione punteggio stelle
    avaliacao classificacao estrelas pontuacao
    beoordeling waardering cijfer sterren
    ocena gwiazdki betyg vurdering stjerner puan yildiz
    оценка рейтинг балл
    评分 打分 分数 得分 星级 评价 評價 評分 評価 評点 レーティング 평점 별점
"""
WEIGHTS = """
    value weight confidence count counts plays playcount playcounts listens listencount listeningcount frequency
    freq
    strength watchtime watchduration dwelltime preference implicitfeedback
    gewicht haeufigkeit aufrufe poids frequence peso frecuencia frequenza frequencia gewicht wiederholungen
    权重 次数 播放次数 回数 횟수
"""
# how many, or for how much: not what somebody thinks of an item, so a weight only if asked for
QUANTITIES = """
    quantity qty units numunits unitssold itemquantity orderquantity quantityordered orderqty amount
    menge anzahl stueckzahl stuckzahl stuck stueck quantite qte nombre cantidad unidades quantita quantidade
    qtde
    qtd unidade aantal hoeveelheid ilosc liczba sztuki antal mangde miktar adet количество колво
    maara kpl mnozstvi pocet mennyiseg ποσοτητα jumlah soluong כמות الكمية
    数量 购买数量 件数 個数 數量 수량
    price unitprice saleprice total totalprice totalamount linetotal ordertotal sum revenue sales salesvalue
    spend spent
    cost turnover paid payment
    preis einzelpreis betrag summe gesamt gesamtpreis gesamtbetrag umsatz prix prixunitaire montant total
    precio preciounitario importe monto prezzo prezzounitario importo totale preco precounitario valor
    valortotal
    prijs bedrag totaal cena kwota suma wartosc pris belopp belob belop fiyat tutar toplam
    цена сумма стоимость 价格 单价 金额 总价 总额 價格 金額 単価 合計 가격 금액 합계
"""
_NAMES = {
    "user": """
        user userid uid reviewerid customerid customer memberid member visitorid visitor personid person userno
        username
        userkey useridx clientid client accountid account playerid player profileid householdid household
        householdkey
        buyerid readerid reviewer listenerid customerno custid customernumber customerkey shopperid subscriberid
        anonymousid msno
        kunde kundennummer kundennr kundenid kundenkonto kundin benutzer benutzerid benutzername nutzer nutzerid
        nutzernr
        mitglied mitgliedsnummer kaufer kaeufer
        utilisateur idutilisateur clientid idclient numeroclient noclient codeclient acheteur membre
        usuario idusuario usuarioid cliente idcliente clienteid codigocliente numerocliente numerodecliente
        comprador
        utente idutente codicecliente acquirente
        codigodocliente idcliente usuarios
        gebruiker gebruikersid klant klantnummer klantid klantnr
        klient klientid idklienta numerklienta uzytkownik uzytkownikid
        anvandare anvandarid kund kundnummer kundid bruger brugerid bruker brukerid kundenummer
        asiakas asiakasnumero asiakastunnus kayttaja zakaznik cislozakaznika uzivatel vasarlo
        ugyfel ugyfelszam felhasznalo
        πελατης χρηστης pelanggan pengguna khachhang makhachhang לקוח משתמש العميل المستخدم عميل
        kullanici kullaniciid musteri musteriid musterino
        пользователь клиент покупатель idпользователя idклиента кодклиента номерклиента
        用户 用户id 用户编号 用户名 会员 会员id 会员号 顾客 客户 客户id 客户编号 买家 用戶 會員 顧客 顧客id
        ユーザー ユーザid ユーザーid 会員id 会員番号 顧客番号 사용자 사용자id 고객 고객id 고객번호
    """,
    "item": """
        item itemid iid movieid movie productid product parentasin asin bookid isbn book trackid track songid
        song artistid artist articleid article newsid videoid video sku skuid goodsid goods gameid game
        businessid business contentid docid documentid recipeid placeid poi poiid venueid locationid stockcode
        jobid adid filmid film animeid anime courseid podcastid hotelid restaurantid pageid itemno itemkey
        itemidx productkey productcode offerid variantid productsku itemcode itemnumber productno materialnumber
        upc ean
        gtin barcode appid listingid
        artikel artikelnummer artikelnr artikelid artikelcode produkt produktid produktnummer produktnr ware
        buch titelid
        articleref refarticle referencearticle produit idproduit codeproduit codearticle referenceproduit livre
        producto idproducto productoid codigoproducto codigodeproducto articulo idarticulo codigoarticulo libro
        pelicula
        prodotto idprodotto codiceprodotto articolo codicearticolo
        produto idproduto codigoproduto codigodoproduto artigo livro
        productnummer artikelnaam boek
        produktu idproduktu kodproduktu towar indeks ksiazka
        artikelnr produktkod vare varenummer varenr produktkode bok bog
        tuote tuotenumero tuotekoodi vyrobek cislozbozi termek cikkszam προιον produk kodeproduk
        sanpham masanpham מוצר פריט المنتج منتج
        urun urunid urunkodu kitap film
        товар товарid idтовара кодтовара артикул книга фильм
        物品 物品id 物品编号 商品 商品id 商品编号 商品编码 电影 电影id 图书 书籍 项目 项目id 商品編號 商品番号
        商品コード 作品id
        アイテム アイテムid 아이템 상품 상품id 상품코드 제품
    """,
    "value": RATINGS + WEIGHTS,
    "quantity": QUANTITIES,
    "kind": """
        kind event eventtype action actiontype behavior behaviour behaviortype behaviourtype interaction
        interactiontype reaction feedbacktype
        type eventname activity operation transactiontype
        ereignis ereignistyp aktion vorgang vorgangsart evenement typeevenement evento tipoevento tipodeevento
        accion azione
        acao gebeurtenis actie zdarzenie akcja handelse olay событие действие типсобытия
        行为 行为类型 事件 事件类型 动作 类型 行動 行動種別 イベント 이벤트 행동
    """,
    "time": """
        time timestamp ts unixreviewtime datetime date eventtime eventtimestamp createdat created reviewtime
        unixtime
        timestamps eventdate creationdate interactiontime when ratedat rateddate purchasedate orderdate
        invoicedate tdat
        visittime clicktime logtime servertime localtime unixtimestamp epoch occurredat purchasetime ordertime
        transactiondate transactiontime saledate orderedat purchasedat reviewdate viewedat playedat eventat
        datum zeit zeitpunkt uhrzeit zeitstempel bestelldatum kaufdatum rechnungsdatum buchungsdatum
        datumuhrzeit
        dateheure horodatage datecommande dateachat datedecommande datedachat heure
        fecha fechahora hora fechadecompra fechacompra fechapedido fechadepedido
        data dataora dataordine dataacquisto datahora datadopedido datacompra datadacompra
        tijd tijdstip besteldatum aankoopdatum
        datazakupu datazamowienia czas
        tid tidpunkt dato tidspunkt orderdato
        paiva paivamaara pvm tilauspaiva datumacas cas idopont rendelesdatuma
        ημερομηνια tanggal ngay ngaymua תאריך التاريخ تاريخ
        tarih zaman siparistarihi
        дата время датавремя датазаказа датапокупки
        时间 时间戳 日期 评分时间 评论时间 行为时间 购买时间 下单时间 订单日期 時間 日時 日付 購入日 注文日 날짜
        시간 일시 주문일
    """,
    "session": """
        session sessionid sid sessid sessionkey basket basketid orderid invoice invoiceno transactionid
        transaction
        cartid visitid playlistid playlist invoiceid ordernumber orderno receiptid receiptno cartnumber billno
        sitzung sitzungsid bestellung bestellnummer bestellnr auftragsnummer rechnungsnummer rechnungsnr
        belegnummer warenkorb
        seance commande numerocommande idcommande numerodecommande panier facture numerofacture
        sesion pedido idpedido numeropedido numerodepedido factura numerofactura
        sessione ordine idordine numeroordine fattura scontrino
        sessao numerodopedido
        sessie bestelnummer ordernummer factuurnummer
        sesja zamowienie numerzamowienia paragon
        ordrenummer bestillingsnummer oturum siparis siparisno
        сессия заказ номерзаказа чек
        会话 会话id 会话编号 订单 订单id 订单编号 订单号 訂單 セッション セッションid 注文番号 注文id 세션
        세션id 주문번호
    """,
    "position": """
        position pos sequence seq step orderindex eventorder sessionposition cartposition addtocartorder
        reihenfolge rang posicion posizione posicao positie kolejnosc 位置 顺序 序号 順序
    """,
    "split": "split fold partition subset splitset foldid 划分 折 集合",
}


def plain(name: str) -> str:
    """A name without case, accents, punctuation, space and RecBole's type: ``"User ID"`` equals ``user_id:token``."""
    text = _TYPED.sub("", name.strip().lower())
    if not text.isascii():
        text = "".join(ch for ch in unicodedata.normalize("NFKD", text) if not unicodedata.combining(ch))
    return "".join(ch for ch in text if ch.isalnum())


def _table(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain(name) for name in names.split()))


NAMES: dict[str, tuple[str, ...]] = {role: _table(names) for role, names in _NAMES.items()}
RATING_NAMES = frozenset(_table(RATINGS))
QUANTITY_NAMES = frozenset(_table(QUANTITIES))
NEED_NUMBERS = frozenset({"nota", "evaluation", "value", "nombre", "indeks"})  # also usual names of columns of text
NEED_DATES = frozenset({"data", "epoch"})  # Italian, Portuguese and Polish for date; English for anything
