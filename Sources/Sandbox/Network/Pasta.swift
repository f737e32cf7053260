import Kernel

/// The program pasta (package passt): it carries what a sandbox's network namespace sends to the host's network, connection by
/// connection, as an ordinary program of the user's. With it the connections end.
final class Pasta: Sendable {
    /// Far more than it needs, on a busy machine too; where it may not use /dev/net/tun, some versions wait for ever.
    private static let patience = Duration.seconds(10)

    private let process: Subprocess
    /// Says its process number once the device is there and has its addresses.
    private let readiness: OwnedFD
    /// What goes wrong. Kept open, for a write to a closed one would end it; when it is full, what comes next is lost.
    private let complaints: OwnedFD

    /// Starts it, which takes about a millisecond; the device is there some tens later.
    ///
    /// - Parameters:
    ///   - sandbox: the first process of the sandbox.
    ///   - resolvesNames: whether it stands in for the host's name servers.
    init(for sandbox: Int32, resolvesNames: Bool) throws(SandboxError) {
        guard let path = HostProgram.path(of: "pasta") else {
            throw .networkUnavailable(reason: "no pasta in PATH", fix: "apt-get install passt")
        }
        let arguments =
            [
                "--foreground", "--quiet", "--ipv4-only", "--config-net", "--pid", "/dev/stdout",
                "--ns-ifname", InsideAddress.device, "--address", InsideAddress.own,
                "--netmask", InsideAddress.prefixLength, "--gateway", InsideAddress.gateway,
                // Neither may the sandbox reach what listens on the host's loopback, nor the other way round.
                "--no-map-gw", "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
            ] + (resolvesNames ? ["--dns-forward", InsideAddress.nameServer] : []) + [
                "--userns", "/proc/\(sandbox)/ns/user", "--netns", "/proc/\(sandbox)/ns/net",
            ]
        do throws(KernelError) {
            var output = try Pipe()
            var errorOutput = try Pipe()
            let errorEnd = errorOutput.takeWriteEnd()
            try errorEnd.setNonblocking()
            process = try Subprocess(
                HostProgram(path, arguments),
                .init(output: output.writeDescriptor, errorOutput: errorEnd.rawValue))
            readiness = output.takeReadEnd()
            complaints = errorOutput.takeReadEnd()
            try complaints.setNonblocking()
        } catch {
            throw .kernel(error)
        }
    }

    /// Waits until connections can be made. `end` ends the wait.
    func waitUntilReady() throws(SandboxError) {
        let milliseconds = Int32(Self.patience.components.seconds * 1000)
        let reason = try onKernel { () throws(KernelError) -> String? in
            if try !readiness.waitUntilReadable(milliseconds: milliseconds) {
                return "pasta was not ready within \(Self.patience)"
            }
            if case .bytes = try readiness.readOnce(upTo: 64) { return nil }
            return "pasta ended: " + (try complaint())
        }
        guard let reason else { return }
        process.end()
        throw .networkUnavailable(
            reason: reason, fix: "Run `isorun-engine doctor`; the host needs an IPv4 route to elsewhere.")
    }

    var hasEnded: Bool {
        // It is this process's child, so that the wait cannot fail.
        (try? process.wait(milliseconds: 0)) != nil
    }

    /// Kills it and waits until it is gone.
    func end() { process.end() }

    private func complaint() throws(KernelError) -> String {
        guard case .bytes(let bytes) = try complaints.readOnce(upTo: 4096) else { return "it did not say why" }
        // Each message comes a second time as one that the system logger, which is none here, did not take.
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { !$0.contains("syslog") }
        return lines.last.map(String.init) ?? "it did not say why"
    }
}
