import Kernel

extension Store {
    /// Copies an image from its registry and imports it under the name that it was asked for by.
    ///
    /// - Parameters:
    ///   - monitor: for both parts: it says whether to go on, and hears how far the import is.
    ///   - report: hears how far the copy is, about ten times a second.
    /// - Throws: `pullFailed`, and what `importImage` throws. On failure nothing is left behind.
    public func pullImage(
        _ reference: String, with skopeo: Skopeo, options: ImportOptions = ImportOptions(), monitor: ImageMonitor,
        report: (ImageProgress) -> Void
    ) throws(StoreError) -> ImportedImage {
        let scratch = FilePath(verbatim: "pull.\(randomHex16())")
        var imported: ImportedImage?
        try stagingFolder(scratch) { (folder: borrowing OwnedFD) throws(StoreError) in
            let place = path("staging", engine.rawValue, scratch.description)
            let image = try RemoteImage.find(
                ImageName(reference), with: skopeo, scratch: place, isCancelled: { monitor.isStopped })
            if image.totalBytes > options.limits.maxUnpackedBytes {
                throw .imageInvalid(reason: "its layers are larger than the limit for a whole image")
            }
            let layout = "\(place)/layout"
            try skopeo.copy(image.name, to: layout, scratch: place) {
                // What cannot be measured now is measured the next time.
                if let size = try? TreeSize.measure(folder) {
                    report(ImageProgress(completedBytes: min(size, image.totalBytes), totalBytes: image.totalBytes))
                }
                return monitor.isStopped
            }
            report(ImageProgress(completedBytes: image.totalBytes, totalBytes: image.totalBytes))
            imported = try importImage(from: layout, as: reference, options: options, monitor: monitor)
        }
        try discardStaged(scratch)
        guard let imported else { preconditionFailure("the body ends with an image or throws") }
        return imported
    }
}
