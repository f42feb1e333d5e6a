"""Support requests written for nlptl: two domains, three languages, eight classes."""

from nlptl.data.samples.support import DOMAINS, LANGUAGES, support_requests

__all__ = ["DOMAINS", "LANGUAGES", "support_requests"]
