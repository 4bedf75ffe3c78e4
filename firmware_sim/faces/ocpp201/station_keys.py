"""Answers about certificates, after block M of OCPP 2.0.1."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.routing import answers, follows


class CertificateAnswers:
    """CertificateSigned, InstallCertificate, GetInstalledCertificateIds, DeleteCertificate."""

    _desk: Desk

    @answers(Action.certificate_signed)
    def on_certificate_signed(self, certificate_chain: str, **_: Any) -> Any:
        """Takes the certificate that it asked for; another one is refused and told."""
        identity = self._desk.identity
        files = identity.keyring.take(certificate_chain)
        if files is None:
            event = "InvalidChargingStationCertificate"
            identity.on_event(event, "not for the key that was asked for")
            return call_result.CertificateSigned(word("Rejected"))
        identity.change_certificate(*files)
        return call_result.CertificateSigned(word("Accepted"))

    @follows(Action.certificate_signed)
    def after_certificate_signed(self, **_: Any) -> None:
        """With profile 3 it comes again and shows the new one."""
        if self._desk.identity.is_trying and self._desk.identity.now.profile == 3:
            self._desk.redial()

    @answers(Action.install_certificate)
    def on_install_certificate(self, certificate_type: str, certificate: str, **_: Any) -> Any:
        """Takes a root certificate."""
        status = self._desk.identity.keyring.install(str(certificate_type), certificate)
        return call_result.InstallCertificate(word(status))

    @answers(Action.get_installed_certificate_ids)
    def on_get_installed_certificate_ids(
        self, certificate_type: list[str] | None = None, **_: Any
    ) -> Any:
        """The hash data of the roots of some uses."""
        uses = [str(use) for use in certificate_type or []]
        known: Any = [
            {"certificate_type": use, "certificate_hash_data": data}
            for use, data in self._desk.identity.keyring.hashes(uses)
        ]
        if not known:
            return call_result.GetInstalledCertificateIds(word("NotFound"))
        return call_result.GetInstalledCertificateIds(
            word("Accepted"), certificate_hash_data_chain=known
        )

    @answers(Action.delete_certificate)
    def on_delete_certificate(self, certificate_hash_data: dict[str, Any], **_: Any) -> Any:
        """Forgets a root certificate."""
        status = self._desk.identity.keyring.delete(certificate_hash_data)
        return call_result.DeleteCertificate(word(status))
