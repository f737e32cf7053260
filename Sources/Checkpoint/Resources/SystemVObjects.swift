import Kernel

/// What a sandbox has of System V's means of communication, whether or not a process uses it at the moment.
struct SystemVImage: Codable, Sendable {
    var segments: [SegmentImage] = []
    var semaphores: [SemaphoreSetImage] = []
    var queues: [MessageQueueImage] = []
}

/// What all three kinds have.
struct SystemVIdentity: Codable, Sendable {
    var id: Int32
    /// 0 when it is found by its number only.
    var key: Int32
    /// Permissions, and what a segment is marked with.
    var mode: UInt32
    var owner: UInt32
    var group: UInt32
}

enum SystemVObjects {
    /// What there is in the sandbox of a first process, with its content. On a thread that is in the sandbox's ipc namespace.
    static func capture(in initPid: Int32) throws(KernelError) -> SystemVImage {
        try Thread.run(name: "systemv") { () throws(KernelError) in
            try ThreadNamespaces.enterNetwork(of: try PidFD(opening: initPid))
            return SystemVImage(
                segments: try Segments.capture(), semaphores: try SemaphoreSets.capture(),
                queues: try MessageQueues.capture())
        }
    }

    /// Makes all with their content, before there are processes. The calling thread is in the sandbox's ipc namespace.
    static func restore(_ image: SystemVImage) throws(KernelError) {
        for segment in image.segments { try Segments.make(segment) }
        for set in image.semaphores { try SemaphoreSets.make(set) }
        for queue in image.queues { try MessageQueues.make(queue) }
    }
}

/// A line of a table of /proc/sysvipc.
struct SystemVRow {
    let columns: [Substring]

    /// - Parameter ownerColumn: where the owner stands; the group follows.
    func identity(ownerColumn: Int) throws(KernelError) -> SystemVIdentity {
        guard columns.count > ownerColumn + 1, let key = Int32(columns[0]), let id = Int32(columns[1]),
            let mode = UInt32(columns[2], radix: 8), let owner = UInt32(columns[ownerColumn]),
            let group = UInt32(columns[ownerColumn + 1])
        else { throw KernelError("read", "a table of /proc/sysvipc", errno: .invalid) }
        return SystemVIdentity(id: id, key: key, mode: mode, owner: owner, group: group)
    }

    func number(_ column: Int) throws(KernelError) -> UInt64 {
        guard column < columns.count, let number = UInt64(columns[column]) else {
            throw KernelError("read", "a table of /proc/sysvipc", errno: .invalid)
        }
        return number
    }
}

extension SystemV {
    static func rows(of kind: Kind) throws(KernelError) -> [SystemVRow] {
        try table(of: kind).map(SystemVRow.init)
    }
}
