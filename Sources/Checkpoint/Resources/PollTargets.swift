import CKernel
import Kernel

/// Finds out what captured epoll sets watch, once all descriptions are known. A set tells numbers that its files once had in some
/// process; which files these are the kernel tells by comparing (kcmp(2), KCMP_EPOLL_TFD).
///
/// Belongs to the tracing thread, while everything stands still.
struct PollTargets {
    private let context: CaptureContext
    /// Of each process that is kept, in the engine's numbering: its descriptions by their numbers.
    private let tables: [Int32: [Int32: Int]]
    private let kept: [Int]

    /// - Parameter kept: the descriptions that processes have which are kept, or that are under way to them.
    init(_ context: CaptureContext, _ processes: [(pid: Int32, image: ProcessImage)], kept: Set<Int>) {
        self.context = context
        var tables: [Int32: [Int32: Int]] = [:]
        for (pid, image) in processes {
            for descriptor in image.descriptors {
                tables[pid, default: [:]][descriptor.number] = descriptor.description
            }
        }
        self.tables = tables
        self.kept = kept.sorted()
    }

    func find() throws(KernelError) {
        for index in kept {
            guard case .pollSet = context.tree.descriptions[index].kind else { continue }
            context.tree.descriptions[index].kind = .pollSet(try image(of: context.views[index]))
        }
    }

    /// One line of a set's fdinfo.
    private struct Line {
        let descriptor: Int32
        let events: UInt32
        let data: UInt64
        let inode: UInt64
        /// Among the lines with the same number.
        var place: Int32 = 0

        /// As `tfd: 5 events: 19 data: 7f… pos:0 ino:… sdev:…` (proc_pid_fdinfo(5)).
        init?(_ text: Substring) {
            let fields = text.split(separator: " ", omittingEmptySubsequences: true)
            guard text.hasPrefix("tfd:"), fields.count >= 8, let descriptor = Int32(fields[1]),
                let events = UInt32(fields[3], radix: 16), let data = UInt64(fields[5], radix: 16),
                let inode = UInt64(fields[7].dropFirst(4), radix: 16)
            else { return nil }
            (self.descriptor, self.events, self.data, self.inode) = (descriptor, events, data, inode)
        }
    }

    private func image(of set: DescriptorView) throws(KernelError) -> PollSetImage {
        var image = PollSetImage()
        var counts: [Int32: Int32] = [:]
        for var line in set.info.lines.compactMap(Line.init) {
            line.place = counts[line.descriptor, default: 0]
            counts[line.descriptor] = line.place + 1
            if let target = try target(of: line, in: set) {
                image.entries.append(
                    .init(descriptor: line.descriptor, events: line.events, data: line.data, target: target))
            } else {
                image.lostEntries += 1
            }
        }
        return image
    }

    private func target(of line: Line, in set: DescriptorView) throws(KernelError) -> Int? {
        let expected = tables[set.process]?[line.descriptor]
        if let expected, try isTarget(expected, of: line, in: set) { return expected }
        for index in kept where index != expected {
            if try isTarget(index, of: line, in: set) { return index }
        }
        return nil
    }

    private func isTarget(_ index: Int, of line: Line, in set: DescriptorView) throws(KernelError) -> Bool {
        let view = context.views[index]
        guard view.status.identity.inode == line.inode else { return false }
        // A socket has one open description, so that a server with thousands needs not be asked about each.
        if view.target.hasPrefix("socket:") { return true }
        return try check("kcmp", "\(view.number) of \(view.process)") {
            ck_kcmp_watched(view.process, view.number, set.process, set.number, line.descriptor, line.place)
        } == 0
    }
}

extension PollSetImage {
    /// What of it begins anew, for people.
    var loss: String? {
        switch lostEntries {
        case 0: nil
        case 1: "its epoll set watches a file that nobody in the snapshot has open: it watches that no more"
        default:
            "its epoll set watches \(lostEntries) files that nobody in the snapshot has open: it watches them no more"
        }
    }
}
