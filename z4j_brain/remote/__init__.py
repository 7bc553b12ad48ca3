"""The command line that asks a brain somewhere else: an address, a token, and the REST API. Standard library only, but
for what opens something sealed.
"""
