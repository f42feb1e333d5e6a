"""Audit of a data set before training."""

from nlptl.data.audit.report import AuditReport, audit, audit_targets

__all__ = ["AuditReport", "audit", "audit_targets"]
