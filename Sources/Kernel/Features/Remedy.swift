/// The texts of remedies that several features share, with commands for Debian and Ubuntu.
enum Remedy {
    static let newerKernel = """
        Start a kernel of version 6.8 or later. Debian 12: sudo apt-get install -t bookworm-backports \
        linux-image-amd64; Ubuntu 22.04: sudo apt-get install linux-generic-hwe-22.04; then reboot.
        """

    static let container = """
        The container around this process forbids it. Start the container with: docker run --security-opt \
        seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …
        """

    static func install(_ package: String) -> String { "sudo apt-get install \(package)" }

    static func set(_ variable: String, _ value: String) -> String {
        """
        sudo sysctl -w \(variable)=\(value)
        To keep it: echo '\(variable) = \(value)' | sudo tee /etc/sysctl.d/60-isorun.conf
        """
    }

    static func first(_ name: FeatureName) -> String { "First see to \(name.rawValue)." }

    /// From Ubuntu's release notes of 23.10 and 24.04, and apparmor.d(5): a profile that only grants user namespaces.
    static func appArmorProfile(for program: String) -> String {
        """
        Either allow it to this program:
        sudo tee /etc/apparmor.d/isorun-engine <<'END'
        abi <abi/4.0>,
        include <tunables/global>
        profile isorun-engine \(program) flags=(unconfined) {
          userns,
        }
        END
        sudo apparmor_parser -r /etc/apparmor.d/isorun-engine
        or to every program:
        sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
        """
    }
}
