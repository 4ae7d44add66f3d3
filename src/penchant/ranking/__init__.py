"""The second stage: candidates, their features, and the order that is learned from them."""
