import CKernel
import Glibc
import Kernel

/// A descriptor of memory that has no name in the sandbox: memfd_create(2), a deleted file of /dev/shm.
struct MemoryFileImage: Codable, Sendable {
    /// Index into `TreeImage.sharedMemory`.
    var memory: Int
    var position: Int64
}

enum MemoryFiles {
    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> MemoryFileImage {
        do throws(KernelError) {
            let memory = try context.sharedMemory(behind: view)
            return MemoryFileImage(memory: memory, position: view.info.position)
        } catch {
            throw .kernel(error)
        }
    }

    static func open(
        _ image: MemoryFileImage, flags: Int32, _ context: RestoreContext
    ) throws(KernelError) -> OwnedFD {
        try context.withSharedMemory(image.memory) { memory throws(KernelError) in
            let file = try memory.reopen(FileOpenFlags(rawValue: flags & (O_ACCMODE | O_APPEND)))
            try file.seekIfPossible(to: image.position)
            return file
        }
    }
}
