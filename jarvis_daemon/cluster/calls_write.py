"""The writing calls: each sent only by ``Proxmox.write``, under a permit of the gate."""

from __future__ import annotations

from typing import Final, Literal

from jarvis_daemon.cluster.call_kinds import Call, Parameter, Privilege
from jarvis_daemon.cluster.calls_nodes import NODE_WRITES

_VM, _CT = "/nodes/{node}/qemu/{vmid}", "/nodes/{node}/lxc/{vmid}"
_ALLOCATE_SPACE = Privilege("Datastore.AllocateSpace", "/storage/{storage}")


def _on(vmid_path: str, *names: str) -> tuple[Privilege, ...]:
    return tuple(Privilege(name, vmid_path) for name in names)


def _optional(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name) for name in names)


def _post(
    name: str, path: str, parameters: tuple[Parameter, ...], privileges: tuple[Privilege, ...],
    inside: tuple[Privilege, ...] = (), method: Literal["POST", "PUT", "DELETE"] = "POST",
    reply: Literal["text", "nothing"] = "text",
) -> Call:  # fmt: skip
    return Call(name, path, reply, parameters, privileges, method=method, inside=inside)


_POWER = _on("/vms/{vmid}", "VM.PowerMgmt")
_SNAPSHOT = _on("/vms/{vmid}", "VM.Snapshot")
_MIGRATE = _on("/vms/{vmid}", "VM.Migrate")
_CONFIG = _on("/vms/{vmid}", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Options")
_DISK = _on("/vms/{vmid}", "VM.Config.Disk")
_ALLOCATE = _on("/vms/{vmid}", "VM.Allocate")
_SPACE = Privilege("Datastore.AllocateSpace", "/storage")
_NEW = (Privilege("VM.Allocate", "/vms"), _SPACE, Privilege("SDN.Use", "/sdn"))
"""What a new guest needs: a vmid, room for its disks, and its networks' bridges."""
_OVERRULE = Parameter("overrule-shutdown", since="8.4")
_TARGET = Parameter("target", optional=False)
_SNAPNAME = Parameter("snapname", optional=False)
_RESIZE = (Parameter("disk", optional=False), Parameter("size", optional=False), Parameter("digest"))
_NEWID = Parameter("newid", optional=False)
_RESTORE = Parameter("vmid", optional=False)

POWER_CALLS: Final = (
    _post("vm_start", f"{_VM}/status/start", _optional("timeout"), _POWER),
    _post("ct_start", f"{_CT}/status/start", (), _POWER),
    _post("vm_shutdown", f"{_VM}/status/shutdown", _optional("timeout", "forceStop"), _POWER),
    _post("ct_shutdown", f"{_CT}/status/shutdown", _optional("timeout", "forceStop"), _POWER),
    _post("vm_stop", f"{_VM}/status/stop", (Parameter("timeout"), _OVERRULE), _POWER),
    _post("ct_stop", f"{_CT}/status/stop", (_OVERRULE,), _POWER),
    _post("vm_reboot", f"{_VM}/status/reboot", _optional("timeout"), _POWER),
    _post("ct_reboot", f"{_CT}/status/reboot", _optional("timeout"), _POWER),
    _post("vm_suspend", f"{_VM}/status/suspend", (), _POWER),
    _post("vm_resume", f"{_VM}/status/resume", (), _POWER),
)

SNAPSHOT_CALLS: Final = (
    _post("vm_snapshot", f"{_VM}/snapshot", (_SNAPNAME, *_optional("description", "vmstate")), _SNAPSHOT),
    _post("ct_snapshot", f"{_CT}/snapshot", (_SNAPNAME, *_optional("description")), _SNAPSHOT),
    _post("vm_rollback", f"{_VM}/snapshot/{{snapname}}/rollback", _optional("start"), _SNAPSHOT),
    _post("ct_rollback", f"{_CT}/snapshot/{{snapname}}/rollback", _optional("start"), _SNAPSHOT),
    _post("vm_delete_snapshot", f"{_VM}/snapshot/{{snapname}}", (), _SNAPSHOT, method="DELETE"),
    _post("ct_delete_snapshot", f"{_CT}/snapshot/{{snapname}}", (), _SNAPSHOT, method="DELETE"),
)

PLACE_CALLS: Final = (
    _post(
        "vm_migrate", f"{_VM}/migrate", (_TARGET, *_optional("online", "with-local-disks", "targetstorage")),
        _MIGRATE,
    ),
    _post(
        "ct_migrate", f"{_CT}/migrate", (_TARGET, *_optional("restart", "target-storage", "timeout")), _MIGRATE
    ),
    _post(
        "vzdump", "/nodes/{node}/vzdump",
        _optional("vmid", "storage", "mode", "compress", "notes-template", "remove", "protected"), (),
        (*_on("/vms", "VM.Backup"), Privilege("Datastore.AllocateSpace", "/storage")),
    ),
    _post("delete_volume", "/nodes/{node}/storage/{storage}/content/{volume}", (), (), (
        Privilege("Datastore.Allocate", "/storage/{storage}"), _ALLOCATE_SPACE, *_on("/vms", "VM.Backup"),
    ), method="DELETE"),
)  # fmt: skip

SHAPE_CALLS: Final = (
    _post(
        "vm_set", f"{_VM}/config", _optional("cores", "memory", "tags", "digest"), _CONFIG, method="PUT",
        reply="nothing",
    ),
    _post(
        "ct_set", f"{_CT}/config", _optional("cores", "memory", "tags", "digest"), _CONFIG, method="PUT",
        reply="nothing",
    ),
    _post("vm_resize", f"{_VM}/resize", _RESIZE, _DISK, (_SPACE,), method="PUT"),
    _post("ct_resize", f"{_CT}/resize", _RESIZE, _DISK, (_SPACE,), method="PUT"),
)  # fmt: skip

LIFE_CALLS: Final = (
    _post(
        "vm_clone", f"{_VM}/clone", (_NEWID, *_optional("name", "full", "storage", "target", "description")),
        _on("/vms/{vmid}", "VM.Clone"), _NEW,
    ),
    _post(
        "ct_clone", f"{_CT}/clone", (_NEWID, *_optional("hostname", "full", "storage", "target", "description")),
        _on("/vms/{vmid}", "VM.Clone"), _NEW,
    ),
    _post("vm_restore", "/nodes/{node}/qemu", (_RESTORE, *_optional("archive", "storage", "force")), (), _NEW),
    _post(
        "ct_restore", "/nodes/{node}/lxc",
        (_RESTORE, Parameter("ostemplate", optional=False), *_optional("restore", "storage", "force")), (), _NEW,
    ),
    _post("vm_delete", _VM, _optional("purge", "destroy-unreferenced-disks"), _ALLOCATE, method="DELETE"),
    _post("ct_delete", _CT, _optional("purge", "destroy-unreferenced-disks"), _ALLOCATE, method="DELETE"),
)  # fmt: skip

WRITES: Final = (*POWER_CALLS, *SNAPSHOT_CALLS, *PLACE_CALLS, *SHAPE_CALLS, *LIFE_CALLS, *NODE_WRITES)

ACT_PRIVILEGES: Final = (
    *_on("/vms", "VM.PowerMgmt", "VM.Snapshot", "VM.Migrate", "VM.Backup", "VM.Config.CPU", "VM.Config.Memory",
         "VM.Config.Options", "VM.Config.Disk", "VM.Clone", "VM.Allocate"),
    Privilege("Sys.PowerMgmt", "/nodes"),
    _SPACE, Privilege("Datastore.Allocate", "/storage"), Privilege("SDN.Use", "/sdn"),
)  # fmt: skip
"""What the token needs beyond reading for all of ``WRITES``, each with propagation; fewer mean fewer tools."""

ACT_ROLE: Final = "JarvisHands"
"""The role under which ``jarvis setup`` and a refusal (403) suggest to give them."""
