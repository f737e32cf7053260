import Kernel

extension TreeImage.HostFacts {
    /// Of this machine.
    static let current: TreeImage.HostFacts = {
        var processor = ""
        // A machine that does not tell is like every other one that does not.
        let text = (try? ProcFS.readWhole("/proc/cpuinfo")) ?? ""
        for line in text.split(separator: "\n") where line.hasPrefix("flags") {
            processor = String(line.drop { $0 != ":" }.dropFirst(2))
            break
        }
        return TreeImage.HostFacts(kernel: HostSystem.current().release, processor: processor)
    }()

    /// - Throws: `incompatible` with what differs.
    func requireSame(as other: TreeImage.HostFacts) throws(CheckpointError) {
        if kernel != other.kernel {
            throw .incompatible(
                reason: "its processes were captured on Linux \(kernel), and this machine runs \(other.kernel)")
        }
        if processor != other.processor {
            throw .incompatible(reason: "its processes were captured on a processor with other features")
        }
    }
}
