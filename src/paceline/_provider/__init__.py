"""
What is known of providers, whoever asks: prices, usage, refusals, headers. Pure.

Nothing here needs a client of theirs, sends anything, or knows the limiter.
"""
