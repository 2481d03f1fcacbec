"""SDP text to plan and back: negotiate() is a pure function from an offer to an answer.

`sdp` reads any text into sections, `codecs`, `extensions` and `streams` judge what an m-line offers
against `capabilities`, `negotiate` puts the `plan` together, `answer` writes it down. Nothing above
this package sees SDP, and nothing in it remembers an offer.
"""
