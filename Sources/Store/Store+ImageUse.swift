extension Store {
    /// What a sandbox made from the image that `reference` stands for needs to know.
    /// - Throws: `imageNotFound`, `storeCorrupt`, `newerVersion`.
    public func use(ofImage reference: String) throws(StoreError) -> ImageUse {
        if reference == ImageUse.host.reference { return .host }
        let image = try image(named: reference)
        return ImageUse(reference: reference, digest: image.digest, layers: image.layers)
    }
}
