"""Audit of a data set before training."""

from nlptl.data.audit.report import AuditReport, audit

__all__ = ["AuditReport", "audit"]
