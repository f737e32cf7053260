import Kernel
import Synchronization

/// Waits for the end of a process that is nobody's child here, by a pidfd.
final class EndWatch: Sendable {
    private let process: PidFD
    private let loop: EventLoop
    private let registration: Mutex<EventLoop.Registration?>

    /// - Parameter ended: called once, on the event loop's thread, with the status where the kernel tells it.
    init(
        _ process: consuming PidFD, loop: EventLoop, ended: @escaping @Sendable (ExitStatus?) -> Void
    ) throws(KernelError) {
        self.process = process
        self.loop = loop
        registration = Mutex(nil)
        let added = try loop.add(self.process.rawDescriptor, .readable) { [weak self] _ in
            guard let self else { return }
            stop()
            ended(self.process.exitStatus())
        }
        registration.withLock { $0 = added }
    }

    deinit { stop() }

    /// Tells nothing any more.
    func stop() {
        if let registration = registration.withLock({ $0.take() }) { loop.remove(registration) }
    }
}
