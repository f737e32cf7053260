import Dispatch
import Glibc
import Kernel
import Synchronization

/// Answers for names in a sandbox whose network has rules, on its loopback device: what the rules permit it asks the host's name
/// servers for, and lets the packet filter know the addresses before the sandbox does.
final class NameRelay: Sendable {
    private static let questionLimit = 4096
    /// More questions than this at a time are dropped, for their askers to ask again.
    private static let concurrentLimit = 32

    private let filter: PacketFilter
    private let network: SandboxNetwork
    private let loop: EventLoop
    private let socket: OwnedFD
    private let servers = NameServers()
    private let work = DispatchQueue(label: "names", attributes: .concurrent)
    private let registration = Mutex<EventLoop.Registration?>(nil)
    private let underWay = Atomic(0)

    /// Begins to answer, and looks up the names that are denied.
    init(
        _ filter: PacketFilter, _ network: SandboxNetwork, of process: InitProcess, loop: EventLoop
    ) throws(SandboxError) {
        self.filter = filter
        self.network = network
        self.loop = loop
        socket = try onKernel { () throws(KernelError) in
            let number = try Thread.run(name: "names") { () throws(KernelError) in
                try process.enterNetwork()
                let socket = try OwnedFD.socket(
                    domain: AF_INET, type: Int32(SOCK_DGRAM.rawValue), protocolNumber: Int32(IPPROTO_UDP))
                try socket.bind(to: InsideAddress.socketAddress(InsideAddress.nameRelay, port: 53))
                return socket.release()
            }
            return OwnedFD(takingOver: number)
        }
        try onKernel { () throws(KernelError) in
            let added = try loop.add(socket.rawValue, .readable) { [weak self] _ in self?.receive() }
            registration.withLock { $0 = added }
        }
        for case .name(let name) in network.deny.map(\.destination) {
            work.async { [weak self] in self?.block(name) }
        }
    }

    /// Answers nothing any more. Again is harmless.
    func end() {
        if let registered = registration.withLock({ $0.take() }) { loop.remove(registered) }
    }

    private func receive() {
        do throws(KernelError) {
            guard let datagram = try socket.receiveDatagram(upTo: Self.questionLimit),
                let question = NameMessage(datagram.bytes), !question.isResponse,
                underWay.load(ordering: .relaxed) < Self.concurrentLimit
            else { return }
            underWay.add(1, ordering: .relaxed)
            work.async { [self] in
                if let answer = answer(question) {
                    // Who does not take it asks again.
                    _ = try? socket.send(answer[...], to: datagram.sender)
                }
                underWay.subtract(1, ordering: .relaxed)
            }
        } catch {
            // An error of an earlier answer, whose asker had gone.
        }
    }

    /// Nil when no server answers.
    private func answer(_ question: NameMessage) -> [UInt8]? {
        let (allowed, denied) = filter.sets(for: question.name)
        if !denied.isEmpty {
            // Only names that a rule spells out: to ask for others would tell their servers what a sandbox has put into them.
            if network.deny.contains(where: { $0.destination == .name(question.name) }) { block(question.name) }
            return question.denial
        }
        let needsNone = network.allow.isEmpty || network.allow.contains { $0.destination == .everything }
        if allowed.isEmpty && !needsNone { return question.denial }
        // The network has no IPv6.
        if question.type == NameMessage.RecordType.newAddress { return question.absence }
        guard let answer = servers.answer(to: question) else { return nil }
        do throws(SandboxError) {
            try filter.add(answer.addresses, to: allowed)
        } catch {
            return question.denial
        }
        return answer.bytes
    }

    /// Has the filter know the addresses of a name that is denied.
    private func block(_ name: String) {
        let number = UInt16.random(in: 0...UInt16.max)
        guard let question = NameMessage(askingFor: name, number: number),
            let answer = servers.answer(to: question)
        else { return }
        // Without them the name is refused all the same.
        try? filter.add(answer.addresses, to: filter.sets(for: name).deny)
    }
}
