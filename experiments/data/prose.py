"""What the data card says about the synthetic bits in words. Figures come from the generator's own constants."""

from experiments.data.defects import Difficulty
from experiments.data.scenes import LEAST_SHARE

_USUAL = Difficulty()

SYNTHETIC = """\
Rendered drill bits in eight views, 45 degrees apart, with five classes of surface defects: a benchmark for detectors that see
an object from several sides and learn from few labels. It stands in for a real data set that is not public, and follows its
published statistics."""

CLASS_LOOKS = {
    "Broken": "A missing chunk: the outline is cut back to a dull, jagged fracture. Large and plain in every view.",
    "Chipped": "Nicks along a cutting edge, seldom deep, brighter or darker than the steel; at the rim they break the outline, "
    "and where they face the camera the rubbed steel around them shines. Small and narrow.",
    "Scratched": "Three to six thin lines that cross each other, bright or dark.",
    "Severe_Rust": "A brown, dull, pitted patch with a ragged rim. It glows orange only where it faces the camera; from the "
    "side it is a veil that highlights wash out and the dark field hides.",
    "Tip_Wear": "A cutting lip at the tip, rubbed round and shiny. The only class whose boxes are mostly wider than high.",
}

DIFFICULTY = f"""\
- **One surface, eight views.** A defect is a place on the surface of the bit, the same in every view and shot. The bit turns,
  lamps and camera stand still: a highlight stays where it is in the image, and a defect wanders under it. A view is annotated
  with a defect if it shows at least {100 * LEAST_SHARE:.0f} % of what the best view shows, which is so in three to four
  views on average; towards the rim boxes get narrow.
- **Severe_Rust** seen from the side covers the steel by {100 * _USUAL.rust[0]:.0f} to {100 * _USUAL.rust[1]:.0f} % only, and stains
  ({_USUAL.stains:g} per bit on average), which are no defect, look the same from there; but rust glows orange in the view
  that it faces. Films (heat tint, {_USUAL.films:g} per bit) are brown from the side and bluish from the front.
- **Chipped** takes {100 * _USUAL.chip_depth[0]:.1f} to {100 * _USUAL.chip_depth[1]:.1f} % off the radius. Smudges on the cutting
  edges ({_USUAL.smudges:g} per bit) look like chips from the side, but leave the outline whole and nothing shines around them;
  dust ({_USUAL.dust:g} specks per bit) is small, dark or bright.
- **Light.** Bright field and dark field in turn, each shot with lamps of its own; a veil of glare over the highlight, passing
  reflections ({_USUAL.glints:g} per view on average), more noise in the dark field.
- The hard classes are meant to be hard for contrast, glare and look-alikes, not for want of boxes: shares follow the plan's."""

NOT = """\
- Not real drill bits: no photograph went into it. Results on it are not results on real bits, and no absolute AP carries over;
  what it can tell is how settings compare.
- Not the plan's data set. Both of the plan's figures cannot be met together: 1,448 boxes, and 1.4 boxes per view, which over 497
  training groups of eight views make 5,566. It follows the boxes per view; class shares do not depend on the choice.
- Not a model of rust, wear or fracture: shapes and colours were chosen to look right and to match the statistics of boxes. Aspects
  are matched for Severe_Rust and Chipped, the only classes for which the plan gives them.
- Not annotated by people: boxes are exact, also where a person would see nothing or would draw two boxes as one."""
