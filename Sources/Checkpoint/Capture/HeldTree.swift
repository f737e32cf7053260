import Kernel

/// A process of the sandbox whose threads all stand still.
final class HeldProcess {
    /// In the engine's numbering.
    let pid: Int32
    /// Its own number, inside the sandbox.
    let inside: Int32
    let status: ProcessStatus
    /// The leader first. None for a zombie, and for a process that somebody else traces.
    var threads: [TracedThread] = []
    /// The waits with time limits that its threads are in, as far as they are known.
    var waits: [Int32: KnownWaits.Wait] = [:]
    /// The process that traces it inside the sandbox, which keeps it from being held.
    var isTraced = false

    init(pid: Int32, status: ProcessStatus) {
        self.pid = pid
        self.status = status
        inside = status.pids.last ?? pid
    }

    /// Where only the first thread has ended, the process lives on with the others.
    var isZombie: Bool { (status.state == "Z" || status.state == "X") && status.threadCount <= 1 }

    /// Every thread runs on.
    func letGo() { for thread in threads { thread.letGo() } }
}

/// All processes of a sandbox, standing still until the value goes away; the first one is only held, so that it starts none.
///
/// Belongs to the thread that makes it, of its own (`Thread.run`). When that thread ends, the kernel lets everything run on
/// that is still held (ptrace(2), "Death under ptrace").
final class HeldTree {
    /// How long a thread may take to come to rest. One that sleeps uninterruptibly for longer, as the parent of a vfork
    /// does, cannot be captured.
    private static let patience = Duration.milliseconds(500)

    /// Parents before their children.
    private(set) var processes: [HeldProcess] = []
    private var seen: Set<Int32> = []
    /// Of those that would not come to rest: why.
    private(set) var restless: [Int32: String] = [:]

    private var first: TracedThread?
    private let formerWaits: [Int32: KnownWaits.Wait]

    /// Takes turns until no new thread has appeared: a held process makes none.
    ///
    /// - Parameter waits: of the same sandbox, each time.
    init(descendantsOf root: Int32, _ waits: KnownWaits) throws(KernelError) {
        formerWaits = waits.all
        first = try TracedThread(seizing: root, patience: Self.patience)
        var isComplete = false
        while !isComplete {
            isComplete = true
            for pid in try ProcessLineage.descendants(of: root) {
                let process: HeldProcess
                if let known = processes.first(where: { $0.pid == pid }) {
                    process = known
                } else {
                    guard let status = try ProcessStatus.read(of: pid) else { continue }
                    process = HeldProcess(pid: pid, status: status)
                    processes.append(process)
                    isComplete = false
                }
                if try holdThreads(of: process) { isComplete = false }
            }
        }
        waits.replace(with: processes.reduce(into: [:]) { $0.merge($1.waits) { $1 } })
        try forgetEnded()
        try FaultPoint.captureHeld.pass()
    }

    /// - Returns: whether there was a new one.
    private func holdThreads(of process: HeldProcess) throws(KernelError) -> Bool {
        if process.isZombie { return false }
        var isNew = false
        for id in try ProcessLineage.threads(of: process.pid) where !seen.contains(id) {
            seen.insert(id)
            isNew = true
            do throws(KernelError) {
                guard let thread = try TracedThread(seizing: id, patience: Self.patience) else { continue }
                process.waits[id] = RestartedCall.wait(try thread.registers(), after: formerWaits[id])
                try InterruptedWait.begin(anew: thread)
                if id == process.pid { process.threads.insert(thread, at: 0) } else { process.threads.append(thread) }
            } catch let error where error.errno == .notPermitted {
                // What is ending cannot be seized any more (kernel/ptrace.c, ptrace_attach); nor can what is traced already.
                if try !ProcessLineage.hasEnded(id) { process.isTraced = true }
            } catch let error where error.errno == .busy {
                restless[process.pid] = "it sleeps uninterruptibly in the kernel"
            }
        }
        return isNew
    }

    /// Looks again at those that were running when they were found and have become zombies or vanished since.
    private func forgetEnded() throws(KernelError) {
        var current: [HeldProcess] = []
        for process in processes {
            if !process.threads.isEmpty || process.isTraced || restless[process.pid] != nil {
                current.append(process)
            } else if let status = try ProcessStatus.read(of: process.pid) {
                current.append(HeldProcess(pid: process.pid, status: status))
            }
        }
        processes = current
    }

    /// Whether really every process does.
    var standsStill: Bool { restless.isEmpty && !processes.contains(where: \.isTraced) }

    /// Every process runs on.
    func letGo() {
        for process in processes { process.letGo() }
        first?.letGo()
    }

    deinit { letGo() }
}
