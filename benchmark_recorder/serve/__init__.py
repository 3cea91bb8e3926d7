"""The live page: the HTML report, brought up to date while somebody looks at it.

``sections``: what it shows, each a page of its own; ``hours``: the strip of the last 24 hours. ``board``: the sections
of one view, computed anew at their own pace; ``pulse``: the boards that are looked at, and who waits for them. ``web``:
the routes; ``guard``: who may ask; ``token``: how they show it. ``running``: the server itself.

It reads a ``History`` and records nothing. Nothing but the command line imports it.
"""
