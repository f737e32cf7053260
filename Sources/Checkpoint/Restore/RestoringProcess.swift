import Kernel

/// A process that is being restored: made, held, and not yet what it was.
final class RestoringProcess {
    let image: ProcessImage
    let remote: RemoteProcess
    let leader: TracedThread
    /// The leader first.
    var threads: [TracedThread]
    /// The template whose channel it has inherited.
    let channel: DescriptorChannel
    /// The number of the channel's socket; it is moved out of the way of descriptors that are restored.
    var channelNumber = DescriptorChannel.templateNumber
    /// The process that it was forked from, whose memory it still has; nil when that is its own template.
    let origin: RestoringProcess?
    /// In the sandbox's numbering.
    var group: Int32
    var session: Int32

    init(
        _ image: ProcessImage, _ thread: TracedThread, site: CallSite, channel: DescriptorChannel,
        origin: RestoringProcess?, group: Int32, session: Int32
    ) throws(KernelError) {
        self.image = image
        leader = thread
        threads = [thread]
        remote = try RemoteProcess(thread.id)
        remote.site = site
        self.channel = channel
        self.origin = origin
        self.group = group
        self.session = session
    }

    /// Calls of the leader.
    var calls: CallBatch { CallBatch(remote, on: leader) }

    /// Gives the process copies of the engine's descriptors; their numbers, the lowest that were free, in order.
    func take(_ descriptors: [Int32]) throws(KernelError) -> [UInt64] {
        var calls = self.calls
        return try take(descriptors, after: &calls)
    }

    /// As above, after calls that are made before.
    func take(_ descriptors: [Int32], after calls: inout CallBatch) throws(KernelError) -> [UInt64] {
        try channel.pass(descriptors, in: &calls, through: channelNumber).map(UInt64.init)
    }

    @discardableResult
    func call(_ call: SystemCall, _ arguments: [UInt64], mayFail: Bool = false) throws(KernelError) -> Int64 {
        try remote.call(call, arguments, on: leader, mayFail: mayFail)
    }
}

/// The arguments of clone3(2).
struct CloneArguments {
    static let sharedMemory: UInt64 = 0x100  // CLONE_VM
    static let childSignal: UInt64 = 17  // SIGCHLD

    var flags: UInt64 = 0
    var exitSignal: UInt64 = 0
    /// In the innermost pid namespace.
    var pid: Int32
    /// The folder, in the hierarchy of version 2, of the control group that it is made in; nil: its maker's.
    var controlGroup: String?

    /// Makes a process or thread by a held one.
    ///
    /// - Returns: the new one, held, and its number as the maker sees it.
    func make(by process: RemoteProcess, on thread: TracedThread) throws(KernelError) -> (TracedThread, Int32) {
        var calls = CallBatch(process, on: thread)
        try add(to: &calls)
        let number = try finish(&calls).last ?? 0
        return (calls.made[0], Int32(truncatingIfNeeded: number))
    }

    /// Adds the call to others. The new one is among what they have made.
    func add(to calls: inout CallBatch) throws(KernelError) {
        let size = 88  // CLONE_ARGS_SIZE_VER2, with set_tid and cgroup
        let intoControlGroup: UInt64 = controlGroup == nil ? 0 : 0x2_0000_0000  // CLONE_INTO_CGROUP
        let arguments = try calls.place(size + 4) { address in
            let words = [
                flags | intoControlGroup, 0, 0, 0, exitSignal, 0, 0, 0, address + UInt64(size), 1, 0,
            ]
            return words.flatMap(plainBytes) + plainBytes(of: pid)
        }
        if let controlGroup {
            let path = try calls.place(Array(controlGroup.utf8) + [0])
            try calls.add(
                .openat, [SystemCall.currentFolder, path, Self.folderCloseOnExec],
                handover: .data(arguments + Self.controlGroupOffset))
        }
        try calls.add(.clone3, [arguments, UInt64(size)])
    }

    /// Makes the calls of a batch, of which one makes this process; its number is in the message when one fails.
    @discardableResult
    func finish(_ calls: inout CallBatch) throws(KernelError) -> [Int64] {
        do throws(KernelError) {
            return try calls.finish()
        } catch {
            throw KernelError(error.call, "\(error.subject), for pid \(pid)", errno: error.errno)
        }
    }

    private static let controlGroupOffset: UInt64 = 80
    private static let folderCloseOnExec: UInt64 = 0o200000 | 0o2000000  // O_DIRECTORY, O_CLOEXEC
}
