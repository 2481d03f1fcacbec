"""Work that is done after the answer: a transactional outbox, and two ways to work it off.

A job is a small `schema.Job` struct, `class EndMeeting(Job, frozen=True, tag="meeting.end.v1")`. The tag is
its kind and its version: whoever changes what a job holds gives it a new tag, and keeps the handler of the
old one until none is left.

- `Jobs.add(session, job, due_at=None, key=None)` writes it in the session's transaction, so there is a job if
  and only if there is the change that called for it. With `due_at` it is a timer. Of one `key` there is one
  job at a time, until that is over; `add` then returns False and changes nothing.
- `Jobs.cancel(session, key)` forgets a job that is not over; to postpone one, cancel it and add it again.
- A handler is `async def handle(attempt: Attempt, job: EndMeeting) -> None`, put into the table that
  `control.work.handlers` makes. What it changes in the database it does inside
  `async with attempt.finish() as session:`, whose commit also marks the job done: once, however often the job
  is delivered. What it does elsewhere (mail, HTTP) it does before that, outside any transaction, and may do
  again: `attempt.job_id` stays the same, so that the receiver can tell.
- A handler that finds it too early raises `NotYet` with the moment to come back at.
- A handler that raises anything else is tried again after a while, with `PermanentFailure` never; after too
  many attempts the job is dead, and waits with its last error for `parley jobs retry`.

The row is the truth. Without a broker each control process takes due rows itself (`embedded`); with RabbitMQ
they are published (`publisher`), and done by `parley worker` (`consumer`). Whoever takes a row moves its
`due_at` to when others may take it for lost, and that is all the recovery there is.
"""
