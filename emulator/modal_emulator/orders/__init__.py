"""
Orders of events of a program that can be run again and again.

A program is anything that takes a `Chooser`, asks it at each point which of the steps that can
happen now comes next, and returns an `Outcome`. What the steps are, nothing here knows.
"""
