"""The writing calls: each sent only by ``Proxmox.write``, under a permit of the gate."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.cluster.call_kinds import Call, Parameter, Privilege

_POWER = (Privilege("VM.PowerMgmt", "/vms/{vmid}"),)

WRITES: Final = (
    Call(
        "vm_start", "/nodes/{node}/qemu/{vmid}/status/start", "text", (Parameter("timeout"),), _POWER, method="POST"
    ),
    Call("ct_start", "/nodes/{node}/lxc/{vmid}/status/start", "text", (), _POWER, method="POST"),
    Call(
        "vm_shutdown", "/nodes/{node}/qemu/{vmid}/status/shutdown", "text",
        (Parameter("timeout"), Parameter("forceStop")), _POWER, method="POST",
    ),
    Call(
        "ct_shutdown", "/nodes/{node}/lxc/{vmid}/status/shutdown", "text",
        (Parameter("timeout"), Parameter("forceStop")), _POWER, method="POST",
    ),
    Call(
        "vm_stop", "/nodes/{node}/qemu/{vmid}/status/stop", "text",
        (Parameter("timeout"), Parameter("overrule-shutdown", since="8.4")), _POWER, method="POST",
    ),
    Call(
        "ct_stop", "/nodes/{node}/lxc/{vmid}/status/stop", "text", (Parameter("overrule-shutdown", since="8.4"),),
        _POWER, method="POST",
    ),
    Call(
        "vm_reboot", "/nodes/{node}/qemu/{vmid}/status/reboot", "text", (Parameter("timeout"),), _POWER,
        method="POST",
    ),
    Call(
        "ct_reboot", "/nodes/{node}/lxc/{vmid}/status/reboot", "text", (Parameter("timeout"),), _POWER,
        method="POST",
    ),
)  # fmt: skip
