import Glibc
import Kernel

/// Keeps what lies unread in the terminals of captured processes.
///
/// Belongs to the tracing thread, while everything stands still.
struct UnreadTerminals {
    private let context: CaptureContext
    /// The descriptions of processes that are kept.
    private let kept: Set<Int>

    init(_ context: CaptureContext, _ kept: Set<Int>) {
        self.context = context
        self.kept = kept
    }

    /// Notes what cannot be kept. Nothing is touched.
    func findLosses() throws(KernelError) {
        try forEach { (index: Int, terminal: consuming TerminalContent?) throws(KernelError) in
            if try terminal?.canBeTaken() != true { context.tree.terminals[index].loss = loss(of: index) }
        }
    }

    /// Takes out what can be kept, and puts it back.
    func take() throws(KernelError) {
        try forEach { (index: Int, terminal: consuming TerminalContent?) throws(KernelError) in
            guard let terminal, context.tree.terminals[index].loss == nil else { return }
            let content = try terminal.take(takesPrinted: context.tree.terminals[index].engineEnd == nil)
            if content.isEmpty { return }
            try terminal.put(content)
            context.tree.terminals[index].content = content
        }
    }

    /// Puts into restored terminals what lay in the captured ones. By now the processes have them open: a terminal that is closed
    /// by the last one who has it hangs up.
    static func restore(_ context: RestoreContext) throws(KernelError) {
        for (index, image) in context.tree.terminals.enumerated() {
            guard let content = image.content else { continue }
            try context.withTerminal(index) { master throws(KernelError) in
                try TerminalContent(
                    master: try master.duplicate(), slave: try openSlave(image.number, in: context.root)
                ).put(content)
            }
        }
    }

    private func loss(of index: Int) -> String {
        "what lies unread in its terminal /dev/pts/\(context.tree.terminals[index].number) is lost"
    }

    /// Terminals of which somebody who is kept has the slave, and somebody who is kept, or the engine, the master; nil for one that
    /// nobody else may open (ioctl_tty(2), TIOCEXCL).
    private func forEach(
        _ body: (Int, consuming TerminalContent?) throws(KernelError) -> Void
    ) throws(KernelError) {
        for (index, image) in context.tree.terminals.enumerated() {
            guard side(of: index, isMaster: false) != nil else { continue }
            let master: OwnedFD
            if let engines = context.request.engineTerminals[image.number] {
                master = try engines.master.duplicate()
            } else if let description = side(of: index, isMaster: true) {
                master = try context.views[description].duplicate()
            } else {
                continue
            }
            var terminal: TerminalContent?
            do throws(KernelError) {
                terminal = try TerminalContent(
                    master: master, slave: try Self.openSlave(image.number, in: context.root))
            } catch let error where error.errno == .busy {
                terminal = nil
            }
            try body(index, terminal)
        }
    }

    private func side(of index: Int, isMaster: Bool) -> Int? {
        kept.first { description in
            guard case .terminal(let side) = context.tree.descriptions[description].kind else { return false }
            return side.terminal == index && side.isMaster == isMaster
        }
    }

    private static func openSlave(_ number: Int32, in root: borrowing OwnedFD) throws(KernelError) -> OwnedFD {
        try Terminals.openSlave(number, flags: O_RDWR | O_NONBLOCK, in: root)
    }
}
