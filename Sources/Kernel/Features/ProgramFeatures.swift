import Glibc

/// Programs and devices that the engine makes use of where they are.
enum ProgramFeatures {
    static func probe() -> [Feature] {
        network() + [program(.skopeo, "skopeo", package: "skopeo")]
    }

    /// What outbound connections of sandboxes want.
    static func network() -> [Feature] {
        [
            program(.pasta, "pasta", package: "passt"), tunDevice(),
            program(.packetFilter, "nft", package: "nftables"),
        ]
    }

    private static func program(_ feature: FeatureName, _ name: String, package: String) -> Feature {
        if let path = ProgramSearch.path(of: name) { return .ok(feature, path) }
        return .failed(feature, "no \(name) in PATH", remedy: Remedy.install(package))
    }

    /// Opening it only makes a handle without an interface (Documentation/networking/tuntap.rst).
    private static func tunDevice() -> Feature {
        do throws(KernelError) {
            let device = try OwnedFD.open("/dev/net/tun", .readWrite)
            // pasta opens it as a user of the sandbox, who is never the device's owner; what root may says nothing.
            if try device.status().permissions & 0o006 != 0o006 {
                throw KernelError("open", "/dev/net/tun, by others than its owner", errno: .accessDenied)
            }
            return .ok(.tunDevice, "/dev/net/tun can be read and written")
        } catch {
            let remedy =
                switch error.errno {
                case .accessDenied, .notPermitted:
                    """
                    sudo chmod 0666 /dev/net/tun
                    To keep it: echo 'KERNEL=="tun", MODE="0666"' | sudo tee /etc/udev/rules.d/60-isorun-tun.rules
                    """
                default: "sudo modprobe tun; in a container: docker run --device /dev/net/tun …"
                }
            return .failed(.tunDevice, "\(error)", remedy: remedy)
        }
    }
}

/// Whether sandboxes can have outbound connections.
public enum NetworkFeatures {
    /// The features of that name that are missing: none when all is there. Quick; from any thread.
    public static func missing(_ names: [FeatureName]) -> [Feature] {
        ProgramFeatures.network().filter { names.contains($0.name) && $0.status == .failed }
    }
}

/// Programs by name.
enum ProgramSearch {
    /// Where programs for administrators lie, which an ordinary user's PATH leaves out.
    private static let further = ["/usr/local/sbin", "/usr/sbin", "/sbin"]

    /// The first executable file of that name in PATH.
    static func path(of name: String) -> String? {
        // unsafe: the environment is not changed while this runs; the text is copied at once.
        let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/bin:/bin"
        return (path.split(separator: ":").map(String.init) + further).map { "\($0)/\(name)" }.first { candidate in
            // unsafe: the path is valid while the call lasts.
            unsafe access(candidate, X_OK) == 0
        }
    }
}
