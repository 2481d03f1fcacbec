"""Requests that may be sent again: the same `Idempotency-Key` does the work once.

As draft-ietf-httpapi-idempotency-key-header has it. The answer is kept in the transaction of what was
made, so that either both last or neither.
"""
