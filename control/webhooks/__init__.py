"""Webhooks: an account's endpoints are told over HTTP what happens in its meetings, signed and until taken.

What happens is noted as a job in the transaction that records it, in the meeting's database; that job writes
a delivery for each endpoint into the first database, where accounts are, and each delivery is a job of its
own. Messages are as the Standard Webhooks specification (standardwebhooks.com) has them. A delivery keeps its
id however often it is sent, so that the receiver can tell.
"""
