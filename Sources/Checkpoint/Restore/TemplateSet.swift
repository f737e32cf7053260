import Kernel

/// The memory of one captured process.
struct ProcessPages: Sendable {
    /// Holds all of it, or for a process that is forked from another one, what differs from that one's.
    let template: Template
    /// Pages that the other one has and this one has not.
    let discarded: [PageRun]
}

/// Builds the templates of an image.
enum TemplateSet {
    /// From frozen copies. Belongs to the thread that froze them.
    ///
    /// - Returns: by the processes' numbers inside.
    static func build(
        _ frozen: FrozenTree, _ plans: [Int32: TemplatePlan], _ program: TemplateProgram
    ) throws(KernelError) -> [Int32: ProcessPages] {
        let neighbours = frozen.image.processes.map(\.memory)
        var pages: [Int32: ProcessPages] = [:]
        for image in frozen.image.processes {
            guard let memory = frozen.memory[image.pid], let plan = plans[image.pid] else { continue }
            let runs = plan.difference.runs
            let template: Template
            do throws(KernelError) {
                if let inheritance = plan.inheritance {
                    template = try Template.derive(
                        image, runs, by: inheritance, from: memory.pid, files: frozen.files)
                } else {
                    template = try Template.build(
                        image, runs, from: .process(memory.pid), program: program, files: frozen.files,
                        neighbours: neighbours)
                }
            } catch {
                throw error.of(image)
            }
            pages[image.pid] = ProcessPages(template: template, discarded: plan.difference.discarded)
        }
        return pages
    }

    /// From what lies on the disk. Belongs to a thread of its own.
    static func build(
        _ tree: TreeImage, _ memory: StoredMemory, _ segments: [StateFolder.Segment], _ files: MappedFiles,
        _ program: TemplateProgram
    ) throws(KernelError) -> [Int32: ProcessPages] {
        let neighbours = tree.processes.map(\.memory)
        let descriptors = segments.map { $0.file.rawValue }
        var pages: [Int32: ProcessPages] = [:]
        for image in tree.processes {
            guard let stored = memory.processes.first(where: { $0.pid == image.pid }) else { continue }
            let template = try Template.build(
                image, stored.runs.map(\.pages), from: .files(descriptors, stored.runs), program: program,
                files: files, neighbours: neighbours)
            pages[image.pid] = ProcessPages(template: template, discarded: stored.discarded)
        }
        return pages
    }
}
