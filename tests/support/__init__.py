"""What the tests stand on: private networks, child processes, real browsers and their fake devices.

Nothing in here knows a test. It needs root, for network namespaces.
"""
