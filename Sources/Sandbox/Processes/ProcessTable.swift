import Kernel
import Synchronization

/// The processes of one incarnation of a sandbox that the protocol knows by an id.
///
/// Ids are numbers that are never given twice in a sandbox, nor in what descends from it.
final class ProcessTable: Sendable {
    /// How many processes that have ended are still listed.
    private static let finishedLimit = 1000
    /// Bytes of output that are kept of processes that have ended, all together.
    private static let finishedOutputLimit = 64 * 1024 * 1024

    private struct State {
        var processes: [Int: ManagedProcess] = [:]
        var nextNumber: Int
        /// The marks of processes that are being started.
        var starting: Set<ExecMark> = []
        /// What tells of the ends of processes that nobody else tells of.
        var watches: [Int: EndWatch] = [:]
        var isGone = false
    }

    let sandbox: String
    let observer: any ProcessObserver
    let loop: EventLoop
    private let state: Mutex<State>

    /// - Parameter nextNumber: more than every number that was given in the sandbox before.
    init(of sandbox: String, nextNumber: Int = 1, observer: any ProcessObserver, loop: EventLoop) {
        self.sandbox = sandbox
        self.observer = observer
        self.loop = loop
        state = Mutex(State(nextNumber: nextNumber))
    }

    var nextNumber: Int { state.withLock { $0.nextNumber } }

    /// Oldest first.
    var all: [ManagedProcess] {
        state.withLock { $0.processes.values.sorted { $0.number < $1.number } }
    }

    /// The ids of those that run on in another incarnation: the same processes, not others that have come to the same number.
    func surviving(in next: ProcessTable) -> Set<String> {
        let there = next.all.filter(\.isRunning)
        return Set(
            all.filter { here in there.contains { $0.number == here.number && $0.startedAt == here.startedAt } }
                .map(\.id))
    }

    /// - Throws: `processNotFound`.
    func process(_ id: String) throws(SandboxError) -> ManagedProcess {
        let number = id.first == "p" ? Int(id.dropFirst()) : nil
        guard let number, let process = state.withLock({ $0.processes[number] }), process.id == id else {
            throw .processNotFound(id)
        }
        return process
    }

    /// A number for a process that is about to be added.
    ///
    /// - Parameter mark: of a process that is about to be started, until `started` is called.
    func takeNumber(startingWith mark: ExecMark? = nil) -> Int {
        state.withLock { state in
            if let mark { state.starting.insert(mark) }
            defer { state.nextNumber += 1 }
            return state.nextNumber
        }
    }

    /// The process was added, or there is none.
    func started(_ mark: ExecMark) { state.withLock { _ = $0.starting.remove(mark) } }

    /// The marks of processes that were started here and run, or are about to.
    var ownMarks: Set<ExecMark> {
        state.withLock { state in
            state.starting.union(state.processes.values.filter(\.isRunning).compactMap(\.mark))
        }
    }

    func address(of number: Int) -> ProcessAddress { ProcessAddress(sandbox: sandbox, process: "p\(number)") }

    /// Lists a process from now on; where the end of all was told meanwhile, it has ended, too.
    func add(_ process: ManagedProcess) {
        let isGone = state.withLock { state in
            if !state.isGone { state.processes[process.number] = process }
            return state.isGone
        }
        if isGone { end(process, surviving: []) }
    }

    /// Watches for the end of a process that was left behind.
    func watch(_ process: ManagedProcess, by watch: EndWatch) {
        state.withLock { $0.watches[process.number] = watch }
    }

    /// Notes and tells the end of a process; once.
    func exited(_ process: ManagedProcess, _ exit: ProcessExit) {
        let isNews = process.exited(exit) { observer.exited(address(of: process.number), exit) }
        if !isNews { return }
        state.withLock { $0.watches.removeValue(forKey: process.number) }?.stop()
        tidy()
    }

    /// Keeps what has ended within bounds, oldest first to go.
    private func tidy() {
        let finished = all.filter(\.isFinished)
        let gone = finished.dropLast(Self.finishedLimit)
        if !gone.isEmpty {
            state.withLock { state in
                for process in gone { state.processes[process.number] = nil }
            }
        }
        var bytes = 0
        for process in finished.suffix(Self.finishedLimit).reversed() {
            bytes += process.output?.keptBytes ?? 0
            if bytes > Self.finishedOutputLimit { process.output?.forgetKept() }
        }
    }

    // MARK: Captures

    /// What must survive, as it is now.
    var record: ProcessTableRecord { ProcessTableRecord(nextNumber: nextNumber, processes: all.map(\.record)) }

    /// Neither reads output nor writes input until `resume`.
    func pause() {
        for process in all {
            process.output?.pauseReading()
            process.input?.pauseWriting()
        }
    }

    func resume() {
        for process in all {
            process.output?.resumeReading()
            process.input?.resumeWriting()
        }
    }

    /// Reads what lies in the processes' output pipes, so that those are empty; the processes must stand still.
    func drain() {
        for process in all { process.output?.drain() }
    }

    // MARK: The end of all

    /// The processes are about to be killed: ends of output from here on are interruptions.
    func cutOff() {
        for process in all { process.output?.cutOff() }
    }

    /// The processes are gone, or are about to be: ends all output, input and waits, and tells of it.
    ///
    /// - Parameter surviving: the ids of those that live on in the next incarnation: of these no end is told.
    func interrupt(surviving: Set<String> = []) {
        let processes = state.withLock { state in
            state.isGone = true
            for watch in state.watches.values { watch.stop() }
            defer {
                state.processes = [:]
                state.watches = [:]
            }
            return state.processes.values.sorted { $0.number < $1.number }
        }
        for process in processes { end(process, surviving: surviving) }
    }

    private func end(_ process: ManagedProcess, surviving: Set<String>) {
        let wasRunning = process.interrupt()
        if wasRunning, !surviving.contains(process.id) { observer.exited(address(of: process.number), .unknown) }
    }
}
