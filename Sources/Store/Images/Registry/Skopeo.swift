import Glibc
import Kernel

/// The program skopeo (package of that name), which speaks with registries: run as whoever started the engine would run it, with
/// that person's environment, proxies, certificates and credentials.
public struct Skopeo: Sendable {
    private let path: String
    private let hostUser: UInt32

    /// Manifests are small: registries refuse those above 4 MiB (OCI distribution specification).
    private static let manifestLimits = Subprocess.RunLimits(time: .seconds(120), outputBytes: 4 << 20)
    /// A copy is ended by its request's cancellation; this bounds one that nobody waits for any more.
    private static let copyLimits = Subprocess.RunLimits(time: .seconds(24 * 3600))

    /// - Parameter hostUser: the id of who started the engine, as the host numbers it.
    /// - Returns: nil when there is no skopeo in the engine's PATH.
    public init?(hostUser: UInt32) {
        guard let path = HostProgram.path(of: "skopeo") else { return nil }
        self.path = path
        self.hostUser = hostUser
    }

    /// The bytes of a manifest or index.
    /// - Throws: `pullFailed`, `cancelled`, `kernel`.
    func manifest(
        _ name: ImageName, scratch: String, isCancelled: () -> Bool
    ) throws(StoreError) -> [UInt8] {
        let arguments = ["inspect", "--raw"] + tls("--tls-verify=false", name) + ["docker://\(name.qualified)"]
        return try run(arguments, scratch, Self.manifestLimits, isCancelled).output
    }

    /// Copies an image into a new OCI layout, its layers as they are.
    ///
    /// - Parameters:
    ///   - folder: the layout's, in `scratch`.
    ///   - isCancelled: asked ten times a second.
    /// - Throws: `pullFailed`, `cancelled`, `kernel`.
    func copy(
        _ name: ImageName, to folder: String, scratch: String, isCancelled: () -> Bool
    ) throws(StoreError) {
        let arguments =
            ["--tmpdir", scratch, "copy", "--quiet", "--dest-oci-accept-uncompressed-layers"]
            + tls("--src-tls-verify=false", name) + ["docker://\(name.qualified)", "oci:\(folder)"]
        _ = try run(arguments, scratch, Self.copyLimits, isCancelled)
    }

    /// Registries on this machine seldom have certificates; every tool makes this exception.
    private func tls(_ option: String, _ name: ImageName) -> [String] { name.isOnLoopback ? [option] : [] }

    private func run(
        _ arguments: [String], _ scratch: String, _ limits: Subprocess.RunLimits, _ isCancelled: () -> Bool
    ) throws(StoreError) -> Subprocess.RunOutcome {
        let environment = try environment(scratch)
        let outcome = try onDisk { () throws(KernelError) in
            try Subprocess.run(
                HostProgram(path, arguments, environment: environment), limits: limits, isCancelled: isCancelled)
        }
        switch outcome.ending {
        case .cancelled: throw .cancelled
        case .timedOut: throw .pullFailed(reason: "skopeo did not end within \(limits.time)")
        case .ended where outcome.isSuccess: return outcome
        case .ended where isFull(scratch): throw .noSpace(KernelError("write", scratch, errno: .noSpace))
        case .ended: throw .pullFailed(reason: Self.message(in: outcome.complaint))
        }
    }

    private func isFull(_ folder: String) -> Bool {
        var facts = statvfs()
        // unsafe: the kernel fills the struct.
        return unsafe statvfs(folder, &facts) == 0 && facts.f_bavail == 0
    }

    /// The engine's own environment, in which skopeo finds proxies, credentials (containers-auth.json(5)) and their helpers.
    private func environment(_ scratch: String) throws(StoreError) -> [String: String] {
        var environment = try onDisk { () throws(KernelError) in try OwnEnvironment.read() }
        // skopeo runs as root of the engine's user namespace. What it does for root it must do for the person: look for
        // credentials in that one's /run/containers/<id>, and keep no cache in /var/lib.
        let rootsCredentials = "/run/containers/0/auth.json"
        let hasNamedCredentials = environment["REGISTRY_AUTH_FILE"] != nil || environment["XDG_RUNTIME_DIR"] != nil
        if hostUser == 0, !hasNamedCredentials, unsafe access(rootsCredentials, R_OK) == 0 {
            environment["REGISTRY_AUTH_FILE"] = rootsCredentials
        }
        environment["_CONTAINERS_ROOTLESS_UID"] = "\(max(hostUser, 1))"
        environment["XDG_DATA_HOME"] = scratch
        return environment
    }

    /// What skopeo means by a line of its log: `time="…" level=fatal msg="…"`.
    static func message(in line: String) -> String {
        guard let start = line.firstRange(of: "msg=\"")?.upperBound, let end = line.lastIndex(of: "\""), start <= end
        else { return line }
        return String(line[start..<end]).replacing("\\\"", with: "\"")
    }
}
