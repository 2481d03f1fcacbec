"""Invitations: whom the host asks to a meeting, by mail with a calendar entry, and who wishes no such mail.

An invitation is beside its meeting. Mail is written by a job (`notices`) that looks, when its turn comes, at
how the meeting is then: so nobody is told what no longer holds, and several changes in a row are one mail.
Whether an address belongs to an account, or wishes no mail, is told to nobody.
"""
