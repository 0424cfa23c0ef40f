"""A reader for napari: folders, DICOM files, DICOMDIRs, studies of DICOMweb servers and image ids as lazy layers."""
