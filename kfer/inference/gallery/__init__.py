"""The people a model shall know: their embeddings, in one file, and the search among them."""

from kfer.inference.gallery.file import GalleryError as GalleryError
from kfer.inference.gallery.gallery import APPROXIMATE_FROM as APPROXIMATE_FROM
from kfer.inference.gallery.gallery import Gallery as Gallery
from kfer.inference.gallery.people import Match as Match
from kfer.inference.gallery.people import PersonStore as PersonStore
