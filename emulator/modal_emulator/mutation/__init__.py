"""
Whether a suite would notice if a commit or reload of the user's code were missing.

Sources are read and changed as text, in copies; the command that the user gives runs them.
"""
