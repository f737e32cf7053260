import CArchive
import Glibc

/// The one owner of a libarchive reader.
///
/// Safe in spite of the pointer that it stores: it is freed once, by the deinit, and lent for single calls.
@safe struct ArchiveHandle: ~Copyable {
    let pointer: OpaquePointer

    init() {
        // unsafe: nil only when memory is out, which Swift does not survive either.
        unsafe pointer = archive_read_new()!
    }

    deinit { unsafe archive_read_free(pointer) }

    /// Judges what a call of libarchive's on this reader returned.
    ///
    /// - Returns: false at the end of the archive.
    /// - Throws: `imageInvalid` with libarchive's own sentence.
    @discardableResult
    func check(_ result: Int32) throws(StoreError) -> Bool {
        switch result {
        // A warning: something was kept in another form, as a name that is no valid UTF-8.
        case ARCHIVE_OK, ARCHIVE_WARN: return true
        case ARCHIVE_EOF: return false
        default: throw .imageInvalid(reason: message)
        }
    }

    /// Why the last call failed.
    var message: String {
        // unsafe: the sentence lives until the next call.
        guard let text = unsafe archive_error_string(pointer) else { return "the archive cannot be read" }
        return unsafe String(cString: text)
    }
}
