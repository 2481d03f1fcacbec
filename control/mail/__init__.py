"""Mail: written as jobs, sent by SMTP, or put as files into the data folder when no server is set.

`Jobs.add(session, SendMail(to=…, subject=…, text=…))` is all that a slice does. The message's id is made of
the job's, so that one which had to be sent again is known for the same.
"""
