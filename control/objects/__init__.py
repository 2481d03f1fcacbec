"""Files: a store of objects, in a folder of this machine or in S3, chosen by the settings.

Keys are ours, and what is under one is written once. Who may upload or download is decided by others:
they hand out addresses that open one object for a short time, and the browser goes there by itself.
"""
