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
}
