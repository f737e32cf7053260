extension Store {
    /// What a sandbox made from the image that `reference` stands for needs to know, and what the image asks for.
    /// - Throws: `imageNotFound`, `storeCorrupt`, `newerVersion`.
    public func use(ofImage reference: String) throws(StoreError) -> (image: ImageUse, settings: ImageSettings) {
        if reference == ImageUse.host.reference { return (.host, .none) }
        let image = try image(named: reference)
        return (ImageUse(reference: reference, digest: image.digest, layers: image.layers), image.settings)
    }
}
