"""A look at the data before anything is trained on it."""

from nlptl.data.audit.report import AuditReport, audit

__all__ = ["AuditReport", "audit"]
