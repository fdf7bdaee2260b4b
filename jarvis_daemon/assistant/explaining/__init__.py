"""Why an incident is: what is known around it, likely causes with what speaks for and against, what could be done.

Everything here is worked out from what was recorded; no model is asked, and nothing is said of times to come.
"""
