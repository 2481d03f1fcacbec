"""Whose an e-mail address is: letters with links verify an account's address, or give it a new password.

Whoever has the link reads the mail to the address. A link is good for one purpose, for some time, and for the
account as it was when the letter was written. To open it changes nothing: mail programs and scanners do that.
"""
