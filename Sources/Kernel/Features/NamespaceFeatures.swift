import CKernel

/// Whether namespaces can be had, what forbids them if not, and what works inside of them.
struct NamespaceFeatures {
    private let namespaces: NamespaceProbe
    private let host: HostFacts
    private let problem: KernelError?

    init(_ namespaces: NamespaceProbe, _ host: HostFacts) {
        self.namespaces = namespaces
        self.host = host
        // AppArmor lets the namespace be made and takes its capabilities away: what needs them fails then.
        let decisive = [CK_CHECK_CLONE, CK_CHECK_ID_MAPS, CK_CHECK_BECOME_ROOT, CK_CHECK_PRIVATE_MOUNTS]
        problem =
            decisive.lazy.compactMap { check -> KernelError? in
                if case .failed(let error) = namespaces[check] { return error }
                return nil
            }.first
    }

    func probe() -> [Feature] {
        let switches = [limit(), debianSwitch(), appArmorSwitch()]
        return [userNamespaces(switches)] + switches + [
            namespaces.feature(.sandboxNamespaces, CK_CHECK_SANDBOX_NAMESPACES, remedy: sandboxNamespacesRemedy),
            namespaces.feature(.procMount, CK_CHECK_PROC, remedy: Remedy.container),
            namespaces.feature(.loopback, CK_CHECK_LOOPBACK, remedy: Remedy.container),
            namespaces.feature(
                .overlay, CK_CHECK_OVERLAY,
                remedy: "sudo modprobe overlay; to keep it: echo overlay | sudo tee /etc/modules-load.d/isorun.conf\n"
                    + Remedy.newerKernel),
            namespaces.feature(.seccompFilter, CK_CHECK_SECCOMP, remedy: Remedy.container),
        ]
    }

    private func userNamespaces(_ switches: [Feature]) -> Feature {
        guard let problem else { return .ok(.userNamespaces, "made and entered") }
        if let remedy = switches.lazy.compactMap(\.remedy).first {
            return .failed(.userNamespaces, "\(problem)", remedy: remedy)
        }
        let likely =
            host.isConfined
            ? Remedy.container : "Start a kernel with CONFIG_USER_NS=y (those of Debian and Ubuntu have it)."
        // clone(2) names the chroot among the reasons for EPERM.
        return .failed(.userNamespaces, "\(problem)", remedy: likely + "\nIf this is a chroot: leave it.")
    }

    private var sandboxNamespacesRemedy: String {
        let limits = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map { "user.max_\($0)_namespaces" }
        let exhausted = limits.filter { value(of: $0) == 0 }
        if let limit = exhausted.first { return Remedy.set(limit, "10000") }
        return Remedy.container
    }

    // MARK: Switches; they count only when namespaces cannot be had

    /// namespaces(7).
    private func limit() -> Feature {
        let variable = "user.max_user_namespaces"
        guard let value = value(of: variable) else {
            return forbidden(.userNamespaceLimit, "the kernel has no \(variable)", remedy: Remedy.container)
        }
        // ENOSPC: as many as there may be exist already (clone(2)).
        if value == 0 || problem?.errno == .noSpace {
            return forbidden(.userNamespaceLimit, "\(variable) is \(value)", remedy: Remedy.set(variable, "10000"))
        }
        return .ok(.userNamespaceLimit, "\(variable) is \(value)")
    }

    private func debianSwitch() -> Feature {
        let variable = "kernel.unprivileged_userns_clone"
        guard let value = value(of: variable) else {
            return .ok(.unprivilegedUserNamespaces, "this kernel has no such switch")
        }
        let detail = "\(variable) is \(value)"
        if value != 0 { return .ok(.unprivilegedUserNamespaces, detail) }
        if host.isRoot { return .ok(.unprivilegedUserNamespaces, detail + ", for ordinary users") }
        return forbidden(.unprivilegedUserNamespaces, detail, remedy: Remedy.set(variable, "1"))
    }

    private func appArmorSwitch() -> Feature {
        let variable = "kernel.apparmor_restrict_unprivileged_userns"
        guard let value = value(of: variable) else {
            return .ok(.appArmorUserNamespaces, "this kernel has no such switch")
        }
        let detail = "\(variable) is \(value)"
        if value == 0 { return .ok(.appArmorUserNamespaces, detail) }
        if host.isRoot { return .ok(.appArmorUserNamespaces, detail + ", for ordinary users") }
        return forbidden(.appArmorUserNamespaces, detail, remedy: Remedy.appArmorProfile(for: host.program))
    }

    /// A switch is no obstacle to a program that is excepted from it.
    private func forbidden(_ name: FeatureName, _ detail: String, remedy: String) -> Feature {
        if problem == nil { return .ok(name, detail + ", which does not concern this program") }
        return .failed(name, detail, remedy: remedy)
    }

    private func value(of variable: String) -> Int? {
        let path = "/proc/sys/" + String(variable.map { $0 == "." ? "/" : $0 })
        guard let text = try? ProcFS.read(path) else { return nil }
        return Int(text.filter { !$0.isWhitespace })
    }
}
