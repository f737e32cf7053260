import CKernel
import Glibc
import Synchronization

/// Readiness of a descriptor.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: UInt32(CK_EPOLLIN))
    public static let writable = Readiness(rawValue: UInt32(CK_EPOLLOUT))
    /// The other end is closed, or the descriptor failed; always reported.
    public static let hungUp = Readiness(rawValue: UInt32(CK_EPOLLHUP) | UInt32(CK_EPOLLERR))
}

/// One thread that waits for many descriptors (epoll) and calls a handler for each that is ready.
///
/// Handlers run on the loop's thread, one at a time; they must not block.
public final class EventLoop: Sendable {
    public typealias Handler = @Sendable (Readiness) -> Void

    /// Names one registered descriptor. A stale one does nothing.
    public struct Registration: Hashable, Sendable {
        fileprivate let token: UInt64
    }

    private struct Entry {
        let descriptor: Int32
        let handler: Handler
    }

    private struct Table {
        var entries: [UInt64: Entry] = [:]
        /// 0 is the wake-up descriptor's.
        var nextToken: UInt64 = 1
        var posted: [@Sendable () -> Void] = []
    }

    private let epoll: OwnedFD
    private let wakeUp: OwnedFD
    private let table = Mutex(Table())

    /// Starts the loop's thread, which lives as long as the process.
    public init(name: String) throws(KernelError) {
        epoll = OwnedFD(takingOver: try check("epoll_create1") { ck_epoll_create() })
        wakeUp = OwnedFD(takingOver: try check("eventfd") { ck_eventfd() })
        try check("epoll_ctl(ADD)") {
            ck_epoll_add(epoll.rawValue, wakeUp.rawValue, Readiness.readable.rawValue, 0)
        }
        try Thread.start(name: name) { [self] in run() }
    }

    /// Calls `handler` whenever the descriptor has one of `readiness`, until it is removed (level-triggered).
    ///
    /// The descriptor must stay open until `remove` was called.
    public func add(
        _ descriptor: Int32, _ readiness: Readiness, handler: @escaping Handler
    ) throws(KernelError) -> Registration {
        let token = table.withLock { table in
            let token = table.nextToken
            table.nextToken += 1
            table.entries[token] = Entry(descriptor: descriptor, handler: handler)
            return token
        }
        do throws(KernelError) {
            try check("epoll_ctl(ADD)", "\(descriptor)") {
                ck_epoll_add(epoll.rawValue, descriptor, readiness.rawValue, token)
            }
        } catch {
            table.withLock { _ = $0.entries.removeValue(forKey: token) }
            throw error
        }
        return Registration(token: token)
    }

    /// Stops watching. An event that is being handled right now may still be; none comes later.
    public func remove(_ registration: Registration) {
        guard let entry = table.withLock({ $0.entries.removeValue(forKey: registration.token) }) else { return }
        // The only failure is a descriptor that was closed, which has left the set by itself.
        _ = ck_epoll_remove(epoll.rawValue, entry.descriptor)
    }

    /// Calls `body` on the loop's thread, after what was posted before.
    public func post(_ body: @escaping @Sendable () -> Void) {
        table.withLock { $0.posted.append(body) }
        // An eventfd fails only when its counter is about to overflow, and then the loop is awake anyway.
        _ = ck_eventfd_wake(wakeUp.rawValue)
    }

    private func runPosted() {
        // Cleared first: what is posted from here on wakes the loop again.
        _ = ck_eventfd_clear(wakeUp.rawValue)
        let posted = table.withLock { table in
            defer { table.posted = [] }
            return table.posted
        }
        for body in posted { body() }
    }

    private func run() {
        let capacity = 64
        var events = [ck_epoll_event](repeating: ck_epoll_event(), count: capacity)
        while true {
            let count = unsafe ck_epoll_wait(epoll.rawValue, &events, Int32(capacity), -1)
            for index in 0..<max(0, Int(count)) {
                let event = events[index]
                if event.token == 0 {
                    runPosted()
                    continue
                }
                let entry = table.withLock { $0.entries[event.token] }
                entry?.handler(Readiness(rawValue: event.events))
            }
        }
    }
}
