import CKernel

/// Which users a sandbox can have.
struct IdentityFeatures {
    private let namespaces: NamespaceProbe
    private let host: HostFacts

    init(_ namespaces: NamespaceProbe, _ host: HostFacts) {
        self.namespaces = namespaces
        self.host = host
    }

    func probe() -> [Feature] { [tools(), subordinateIDs(), setGroups(), idMappedMounts()] }

    private func tools() -> Feature {
        if host.isRoot { return .ok(.idMapTools, "not needed by root") }
        let missing = ["newuidmap", "newgidmap"].filter { ProgramSearch.path(of: $0) == nil }
        if missing.isEmpty { return .ok(.idMapTools, "newuidmap and newgidmap") }
        let detail = "no \(missing.joined(separator: ", no ")): sandboxes have a single user"
        return .failed(.idMapTools, detail, remedy: Remedy.install("uidmap"))
    }

    private func subordinateIDs() -> Feature {
        if case .passed = namespaces[CK_CHECK_ID_MAPS] {
            switch namespaces.ids {
            case .root: return .ok(.subordinateIDs, "not needed by root")
            case .subordinate: return .ok(.subordinateIDs, "\(namespaces.ids.idsPerSandbox) ids for each sandbox")
            case .single:
                return .failed(
                    .subordinateIDs, "\(namespaces.idProblem): sandboxes have a single user",
                    remedy: """
                        sudo apt-get install uidmap
                        sudo usermod --add-subuids \(range) --add-subgids \(range) \(host.user)
                        """)
            }
        }
        return .failed(.subordinateIDs, "not tried", remedy: Remedy.first(.userNamespaces))
    }

    /// The first ids, from Debian's first, that neither /etc/subuid nor /etc/subgid grants to anybody yet.
    private var range: String {
        let granted = ["/etc/subuid", "/etc/subgid"].flatMap { file in
            ((try? ProcFS.read(file)) ?? "").split(separator: "\n").compactMap { line -> Range<Int>? in
                let fields = line.split(separator: ":")
                guard fields.count == 3, let start = Int(fields[1]), let count = Int(fields[2]) else { return nil }
                return start..<start + max(count, 0)
            }
        }
        var free = 100_000..<165_536
        for taken in granted.sorted(by: { $0.lowerBound < $1.lowerBound }) where taken.overlaps(free) {
            free = taken.upperBound..<taken.upperBound + free.count
        }
        return "\(free.lowerBound)-\(free.upperBound - 1)"
    }

    private func setGroups() -> Feature {
        switch namespaces[CK_CHECK_SETGROUPS] {
        case .passed: .ok(.setGroups, "works in a user namespace")
        case .failed(let error): .failed(.setGroups, "\(error)", remedy: Remedy.container)
        case .notReached:
            if case .passed = namespaces[CK_CHECK_BECOME_ROOT] {
                .failed(.setGroups, "forbidden with a single id", remedy: Remedy.first(.subordinateIDs))
            } else {
                .failed(.setGroups, "not tried", remedy: Remedy.first(.userNamespaces))
            }
        }
    }

    private func idMappedMounts() -> Feature {
        switch namespaces[CK_CHECK_HOST_ROOT] {
        case .passed: .ok(.idMappedMounts, "the root filesystem can be mapped")
        case .failed(let error):
            .failed(
                .idMappedMounts, "\(error)",
                remedy: "Use a root filesystem with id-mapped mounts (ext4, xfs, btrfs), or images other than `host`.")
        case .notReached: .ok(.idMappedMounts, "only real root can have them; not needed")
        }
    }
}
