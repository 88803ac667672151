/**
 * The elements of DICOM RT objects that may stay; labels, names, UIDs and contours are none of
 * them.
 */

export interface DicomRule {
  readonly name: string;
  /**
   * `word`: a code string of the standard; `class`: a UID of the standard; the rest are numbers.
   */
  readonly kind: 'word' | 'class' | 'year' | 'decimal' | 'count' | 'sequence';
  readonly items?: Readonly<Record<string, DicomRule>>;
}

const as =
  (kind: DicomRule['kind']) =>
  (name: string): DicomRule => ({ name, kind });
const word = as('word');
const year = as('year');
const decimal = as('decimal');
const count = as('count');

function sequence(name: string, items: Readonly<Record<string, DicomRule>>): DicomRule {
  return { name, kind: 'sequence', items };
}

const controlPoint = {
  x300a0112: decimal('ControlPointIndex'),
  x300a0114: decimal('NominalBeamEnergy'),
  x300a0115: decimal('DoseRateSet'),
  x300a011e: decimal('GantryAngle'),
  x300a011f: word('GantryRotationDirection'),
  x300a0120: decimal('BeamLimitingDeviceAngle'),
  x300a0122: decimal('PatientSupportAngle'),
  x300a0130: decimal('SourceToSurfaceDistance'),
  x300a0134: decimal('CumulativeMetersetWeight'),
};

export const dicomRules: Readonly<Record<string, DicomRule>> = {
  x00080016: as('class')('SOPClassUID'),
  x00080020: year('StudyYear'),
  x00080060: word('Modality'),
  x00280010: count('Rows'),
  x00280011: count('Columns'),
  x00280030: decimal('PixelSpacing'),
  x30040002: word('DoseUnits'),
  x30040004: word('DoseType'),
  x3004000a: word('DoseSummationType'),
  x3004000e: decimal('DoseGridScaling'),
  x30060020: sequence('StructureSetROISequence', {
    x30060022: decimal('ROINumber'),
    x30060036: word('ROIGenerationAlgorithm'),
  }),
  x30060080: sequence('RTROIObservationsSequence', {
    x30060082: decimal('ObservationNumber'),
    x30060084: decimal('ReferencedROINumber'),
    x300600a4: word('RTROIInterpretedType'),
  }),
  x300a0006: year('RTPlanYear'),
  x300a000a: word('PlanIntent'),
  x300a000c: word('RTPlanGeometry'),
  x300a0010: sequence('DoseReferenceSequence', {
    x300a0012: decimal('DoseReferenceNumber'),
    x300a0014: word('DoseReferenceStructureType'),
    x300a0020: word('DoseReferenceType'),
    x300a0023: decimal('DeliveryMaximumDose'),
    x300a0026: decimal('TargetPrescriptionDose'),
  }),
  x300a0070: sequence('FractionGroupSequence', {
    x300a0071: decimal('FractionGroupNumber'),
    x300a0078: decimal('NumberOfFractionsPlanned'),
    x300a0080: decimal('NumberOfBeams'),
    x300a00a0: decimal('NumberOfBrachyApplicationSetups'),
    x300c0004: sequence('ReferencedBeamSequence', {
      x300a0084: decimal('BeamDose'),
      x300a0086: decimal('BeamMeterset'),
      x300c0006: decimal('ReferencedBeamNumber'),
    }),
  }),
  x300a00b0: sequence('BeamSequence', {
    x300a00b3: word('PrimaryDosimeterUnit'),
    x300a00b4: decimal('SourceAxisDistance'),
    x300a00c0: decimal('BeamNumber'),
    x300a00c4: word('BeamType'),
    x300a00c6: word('RadiationType'),
    x300a00ce: word('TreatmentDeliveryType'),
    x300a00d0: decimal('NumberOfWedges'),
    x300a010e: decimal('FinalCumulativeMetersetWeight'),
    x300a0110: decimal('NumberOfControlPoints'),
    x300a0111: sequence('ControlPointSequence', controlPoint),
  }),
};
