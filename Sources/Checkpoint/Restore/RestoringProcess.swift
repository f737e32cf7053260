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

    /// Makes a process or thread by a held one.
    ///
    /// - Returns: the new one, held, and its number as the maker sees it.
    func make(by process: RemoteProcess, on thread: TracedThread) throws(KernelError) -> (TracedThread, Int32) {
        guard let site = process.site else { preconditionFailure("a call site is installed before calls are made") }
        let size: UInt64 = 80  // CLONE_ARGS_SIZE_VER1, with set_tid
        let words: [UInt64] = [flags, 0, 0, 0, exitSignal, 0, 0, 0, site.scratch + size, 1]
        try process.memory.write(words.flatMap(plainBytes) + plainBytes(of: pid), at: site.scratch)
        var made: TracedThread?
        let calls = [RemoteCall(call: .clone3, arguments: [site.scratch, size], mayFail: false)]
        do throws(KernelError) {
            let results = try process.run(calls, on: thread) { made = $0 }
            guard let made else { throw KernelError("clone3", "pid \(pid)", errno: .noSuchProcess) }
            return (made, Int32(truncatingIfNeeded: results[0]))
        } catch {
            throw KernelError(error.call, "\(error.subject), for pid \(pid)", errno: error.errno)
        }
    }
}
