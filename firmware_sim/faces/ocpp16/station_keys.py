"""Answers about certificates, after the security whitepaper of OCPP 1.6."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result
from ocpp.v16.enums import (
    Action,
    CertificateSignedStatus,
    CertificateStatus,
    DeleteCertificateStatus,
    GetInstalledCertificateStatus,
)

from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.routing import answers, follows


class CertificateAnswers:
    """CertificateSigned, InstallCertificate, GetInstalledCertificateIds, DeleteCertificate."""

    _desk: Desk

    @answers(Action.certificate_signed)
    def on_certificate_signed(
        self, certificate_chain: str, **_: Any
    ) -> call_result.CertificateSigned:
        """Takes the certificate that it asked for; another one is refused and told."""
        identity = self._desk.identity
        files = identity.keyring.take(certificate_chain)
        if files is None:
            identity.on_event("InvalidChargePointCertificate", "not for the key that was asked for")
            return call_result.CertificateSigned(CertificateSignedStatus.rejected)
        identity.change_certificate(*files)
        return call_result.CertificateSigned(CertificateSignedStatus.accepted)

    @follows(Action.certificate_signed)
    def after_certificate_signed(self, **_: Any) -> None:
        """With profile 3 it comes again and shows the new one."""
        if self._desk.identity.is_trying and self._desk.identity.now.profile == 3:
            self._desk.redial()

    @answers(Action.install_certificate)
    def on_install_certificate(
        self, certificate_type: str, certificate: str, **_: Any
    ) -> call_result.InstallCertificate:
        """Takes a root certificate."""
        status = self._desk.identity.keyring.install(str(certificate_type), certificate)
        return call_result.InstallCertificate(CertificateStatus(status))

    @answers(Action.get_installed_certificate_ids)
    def on_get_installed_certificate_ids(
        self, certificate_type: str, **_: Any
    ) -> call_result.GetInstalledCertificateIds:
        """The hash data of the roots of a use."""
        known = [data for _, data in self._desk.identity.keyring.hashes([str(certificate_type)])]
        if not known:
            nothing = GetInstalledCertificateStatus.not_found
            return call_result.GetInstalledCertificateIds(nothing)
        return call_result.GetInstalledCertificateIds(
            GetInstalledCertificateStatus.accepted, certificate_hash_data=known
        )

    @answers(Action.delete_certificate)
    def on_delete_certificate(
        self, certificate_hash_data: dict[str, Any], **_: Any
    ) -> call_result.DeleteCertificate:
        """Forgets a root certificate."""
        status = self._desk.identity.keyring.delete(certificate_hash_data)
        return call_result.DeleteCertificate(DeleteCertificateStatus(status))
