"""Which column plays which role, from its name or from what the caller says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from penchant.data.reading.wording import option
from penchant.errors import DataError, ParameterError

ROLES = ("user", "item", "value", "kind", "time", "session", "position", "split")

# names as they are once lower-cased and freed of everything but letters and digits, the likeliest first
_RATINGS = """
    rating ratings score scores stars star overall starrating bookrating userrating reviewscore reviewrating
    reviewsrating mark grade 评分 打分 分数 得分 星级 评价
"""
_NAMES = {
    "user": """
        user userid uid reviewerid customerid customer memberid member visitorid visitor personid person userno username
        userkey useridx clientid client accountid account playerid player profileid householdid household householdkey
        buyerid readerid reviewer listenerid customerno
        anonymousid msno
        用户 用户id 用户编号 用户名 会员 会员id 顾客 客户 客户id 买家
    """,
    "item": """
        item itemid iid movieid movie productid product parentasin asin bookid isbn book trackid track songid
        song artistid artist articleid article newsid videoid video sku skuid goodsid goods gameid game
        businessid business contentid docid documentid recipeid placeid poi poiid venueid locationid stockcode
        jobid adid filmid film animeid anime courseid podcastid hotelid restaurantid pageid itemno itemkey
        itemidx productkey productcode offerid
        物品 物品id 物品编号 商品 商品id 商品编号 电影 电影id 图书 书籍 项目 项目id
    """,
    "value": _RATINGS
    + """
        value weight count counts quantity qty plays playcount listens listencount frequency freq strength amount
        watchtime preference 权重 数量 次数
    """,
    "kind": """
        kind event eventtype action actiontype behavior behaviour behaviortype behaviourtype interaction interactiontype
        type eventname activity operation 行为 行为类型 事件 事件类型 动作 类型
    """,
    "time": """
        time timestamp ts unixreviewtime datetime date eventtime eventtimestamp createdat created reviewtime unixtime
        timestamps eventdate creationdate interactiontime when ratedat rateddate purchasedate orderdate invoicedate tdat
        visittime clicktime logtime servertime localtime unixtimestamp epoch occurredat
        时间 时间戳 日期 评分时间 评论时间 行为时间
    """,
    "session": """
        session sessionid sid sessid sessionkey basket basketid orderid invoice invoiceno transactionid transaction
        cartid visitid playlistid playlist 会话 会话id 会话编号 订单 订单id 订单编号
    """,
    "position": "position pos sequence seq step orderindex eventorder sessionposition 位置 顺序 序号",
    "split": "split fold partition subset splitset foldid 划分 折 集合",
}
NAMES: dict[str, tuple[str, ...]] = {role: tuple(names.split()) for role, names in _NAMES.items()}
RATING_NAMES = frozenset(_RATINGS.split())
_TYPED = re.compile(r":(token|token_seq|float|float_seq)$")


def plain(name: str) -> str:
    """A name without case, punctuation, space and RecBole's type: ``"User ID"`` and ``user_id:token`` agree."""
    return "".join(ch for ch in _TYPED.sub("", name.strip().lower()) if ch.isalnum())


def parse_columns(columns: Mapping[str, str] | str | None) -> dict[str, str]:
    """Roles as a caller gives them: a mapping, or ``user=C,item=C`` as on the command line."""
    if columns is None:
        return {}
    if isinstance(columns, str):
        pairs = [part.partition("=") for part in columns.split(",") if part.strip()]
        for role, sign, name in pairs:
            if not sign or not name.strip():
                raise ParameterError(f"columns read like user=C,item=C, not {role!r}")
        given = {role.strip(): name.strip() for role, _, name in pairs}
        if len(given) != len(pairs):
            raise ParameterError(f"a role stands twice in the columns {columns!r}")
    else:
        given = {str(role): str(name) for role, name in columns.items()}
    for role in given:
        if role not in ROLES:
            raise ParameterError(f"there is no role {role!r} for a column: the roles are {', '.join(ROLES)}")
    return given


def parse_kinds(kinds: Mapping[str, float] | str | None) -> dict[str, float]:
    """Weights of kinds as a caller gives them: a mapping, or ``view=1,cart=3`` as on the command line."""
    if kinds is None or not isinstance(kinds, str):
        return dict(kinds or {})
    out: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in kinds.split(","))):
        kind, sign, weight = part.rpartition("=")
        try:
            out[kind.strip()] = float(weight)
        except ValueError:
            sign = ""
        if not sign or not kind.strip():
            raise ParameterError(f"kinds read like view=1,cart=3, not {part!r}")
    return out


def assign(names: Sequence[str], given: Mapping[str, str], file: str) -> dict[str, int]:
    """Index of the column of each role; what ``given`` names comes first, the rest is known by its usual names.

    Raises ``DataError`` where there is no item, or neither a user nor a session.
    """
    found: dict[str, int] = {}
    for role, name in given.items():
        found[role] = index_of(name, names, role, file)
    if len(set(found.values())) != len(found):
        raise DataError(f"two roles were given the same column: {dict(given)}", file=file)
    usual = [plain(name) for name in names]
    for role, candidates in NAMES.items():
        if role in found:
            continue
        for candidate in candidates:
            if candidate in usual and usual.index(candidate) not in found.values():
                found[role] = usual.index(candidate)
                break
    missing = [
        *([] if "user" in found or "session" in found else ["user (or session)"]),
        *([] if "item" in found else ["item"]),
    ]
    if missing:
        raise DataError(
            f"no column is known as {' or '.join(missing)} among {', '.join(repr(n) for n in names[:20])}",
            file=file,
            fix=f"Name the columns: {option('columns', {'user': 'NAME', 'item': 'NAME'})}",
        )
    return found


def index_of(name: str, names: Sequence[str], role: str, file: str) -> int:
    """The column that a caller means by a name or a number from 1; raises ``DataError`` if there is none."""
    if name in names:
        return list(names).index(name)
    same = [i for i, other in enumerate(names) if plain(other) == plain(name) and plain(name)]
    if len(same) == 1:
        return same[0]
    if name.isdecimal() and 1 <= int(name) <= len(names):
        return int(name) - 1
    raise DataError(
        f"there is no column {name!r} for {role} among {', '.join(repr(n) for n in names[:20])}",
        file=file,
        fix="Columns are named as in the header, or by number from 1",
    )
